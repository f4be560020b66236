"""What is typed, and what it means."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from markupsafe import escape

from libs.filters.language import Operand, Shape
from services.config.console.forms import Form
from services.config.console.typed import held, operand, shown, unheld
from tests.forms import Document
from tests.unit.config.console.test_filter_form import texts


def through_a_browser(value: str) -> str:
    [form] = Document(f'<form><input name=x value="{escape(value)}"></form>').forms
    return Form.decode(urlencode(form.pairs()).encode()).text("x")


@given(texts)
def test_a_field_holds_every_text(text: str) -> None:
    assert unheld(through_a_browser(held(text)).strip()) == text


@pytest.mark.parametrize("text", ["high", '"high"', "a b", "żółć", "", "\\", '"', "{}", '"a" or "b"'])
def test_an_ordinary_text_stands_in_its_field_as_it_is(text: str) -> None:
    assert held(text) == text
    assert unheld(text) == text


@pytest.mark.parametrize(
    ("text", "typed"), [("a\nb", '"a\\nb"'), (" a", '" a"'), ("\0", '"\\u0000"'), ('"\\n"', '"\\"\\\\n\\""')]
)
def test_a_text_that_a_field_would_change_stands_in_it_as_json(text: str, typed: str) -> None:
    assert held(text) == typed


@pytest.mark.parametrize(
    ("shape", "value", "to", "means"),
    [
        ("number", " 12 ", "", 12),
        ("number", "1.5e3", "", 1500.0),
        ("number", "12 apples", "", "12 apples"),
        ("number", "true", "", "true"),
        ("number", "", "", ""),
        ("number", "9" * 5000, "", "9" * 5000),
        ("length", "3", "", 3),
        ("numbers", "1\n\n 2\nx", "", [1, 2, "x"]),
        ("texts", 'a\n\n"b\\nc"\n"d', "", ["a", "b\nc", '"d']),
        ("number bounds", "1", "x", [1, "x"]),
        ("date bounds", " 2026-01-01 ", "2026-01-31", ["2026-01-01", "2026-01-31"]),
        ("date", " 2026-01-01 ", "", "2026-01-01"),
        ("scalar", "true", "", True),
        ("scalar", "null", "", None),
        ("scalar", "12", "", 12),
        ("scalar", '"12"', "", "12"),
        ("scalar", "twelve", "", "twelve"),
        ("scalar", "[1]", "", "[1]"),
        ("scalar", "[" * 100_000, "", "[" * 100_000),
        ("text", " a", "", " a"),
        ("pattern", "^a ", "", "^a "),
    ],
)
def test_what_is_typed_means_what_it_looks_like(shape: Shape, value: str, to: str, means: object) -> None:
    read = operand(shape, value, to)
    assert read == means
    assert type(read) is type(means)


@pytest.mark.parametrize(
    ("shape", "value", "text"),
    [
        ("nothing", None, ("", "")),
        ("number", 10**30, (str(10**30), "")),
        ("number bounds", (1, 2.5), ("1", "2.5")),
        ("date bounds", ("2026-01-01", "2026-01-31"), ("2026-01-01", "2026-01-31")),
        ("texts", ("a", "", '"b"', " c"), ('a\n""\n"\\"b\\""\n" c"', "")),
        ("scalar", "true", ('"true"', "")),
        ("scalar", True, ("true", "")),
        ("scalar", "red", ("red", "")),
    ],
)
def test_an_operand_is_shown_as_it_would_be_typed(shape: Shape, value: Operand, text: tuple[str, str]) -> None:
    assert shown(shape, value) == text
