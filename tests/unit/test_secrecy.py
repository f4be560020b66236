"""The search that the tests for secrets rely on: it finds what is there, in whatever form."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.secrecy import Secret, forms, places_with

WRITINGS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "as JSON": lambda text: json.dumps({"a": [text]}).encode(),
    "as JSON that is not ASCII": lambda text: json.dumps([text], ensure_ascii=False).encode(),
    "as JSON of msgspec": lambda text: msgspec.json.encode([text]),
    "as Python": lambda text: repr([text]).encode(),
    "as HTML": lambda text: html.escape(text).encode(),
    "in a URL": lambda text: quote(text, safe="").encode(),
    "in a form": lambda text: quote_plus(text).encode(),
    "in hex digits": lambda text: text.encode().hex().encode(),
    "in base64": lambda text: base64.b64encode(text.encode()),
    "in base64 behind one byte": lambda text: base64.b64encode(b"x" + text.encode() + b"yz"),
    "in base64 behind two": lambda text: base64.b64encode(b"xy" + text.encode() + b"z"),
    "in base64 for URLs": lambda text: base64.urlsafe_b64encode(b"xyz" + text.encode()),
}


@pytest.mark.parametrize("writing", WRITINGS)
@given(st.text())
def test_a_secret_is_found_however_it_is_written(writing: str, text: str) -> None:
    secret = Secret.around(text)
    written = WRITINGS[writing](secret.text)
    assert places_with(forms(secret.text), {"here": b"before" + written + b"after", "elsewhere": b"nothing"}) == {
        "here"
    }


@pytest.mark.parametrize("writing", WRITINGS)
@given(st.text(min_size=1))
def test_half_of_a_secret_is_found_however_it_is_written(writing: str, text: str) -> None:
    secret = Secret.around(text)
    half = len(secret.text) // 2
    for part in (secret.text[:half], secret.text[half:]):
        assert places_with(secret.traces(), {"here": WRITINGS[writing](part)}) == {"here"}


def test_what_is_not_there_is_not_found() -> None:
    assert places_with(Secret.around("x").traces(), {"here": Secret.around("x").text.encode()}) == set()
