"""Secrets that can be recognised wherever they end up, and the search for them."""

import base64
import html
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote, quote_plus

import msgspec

_MARK_BYTES = 10


class Secret(NamedTuple):
    """A text that begins and ends with marks of its own, so that a part of it is recognised too."""

    text: str
    marks: tuple[str, str]

    @classmethod
    def around(cls, text: str) -> "Secret":
        marks = new_mark(), new_mark()
        return cls(f"{marks[0]}{text}{marks[1]}", marks)

    @property
    def plain(self) -> str:
        """A secret of the same marks that fits into a header."""
        return "-".join(self.marks)

    def traces(self) -> set[bytes]:
        """What must not be found."""
        return forms(self.text) | forms(self.marks[0]) | forms(self.marks[1])


def new_mark() -> str:
    """A word that is nowhere else."""
    return f"m{secrets.token_hex(_MARK_BYTES)}"


def forms(text: str) -> set[bytes]:
    """A text as it is, and as JSON, Python, HTML, URLs, hex digits and base64 write it."""
    written = {
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        msgspec.json.encode(text).decode()[1:-1],
        repr(text)[1:-1],
        html.escape(text),
        quote(text, safe=""),
        quote_plus(text),
        text.encode().hex(),
    }
    return {one.encode() for one in written} | _in_base64(text.encode())


def _in_base64(raw: bytes) -> set[bytes]:
    """The letters that stand for these bytes and no others, wherever in an encoded text the bytes begin."""
    found = set()
    for offset in range(3):
        size = offset + len(raw)
        encoded = base64.b64encode(bytes(offset) + raw)
        letters = encoded[(offset * 8 + 5) // 6 : size * 8 // 6]
        found |= {letters, letters.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def places_with(traces: Iterable[bytes], places: Mapping[str, bytes]) -> set[str]:
    """The names of the places where one of them is found."""
    wanted = list(traces)
    return {name for name, content in places.items() if any(trace in content for trace in wanted)}
