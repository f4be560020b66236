"""What reaches a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from services.config.dead_letters.printing import counts, escaped


@given(st.text())
def test_nothing_that_is_printed_moves_a_cursor_or_hides_anything(text: str) -> None:
    assert escaped(text).isprintable()
    assert escaped(text, keep="\n").replace("\n", "").isprintable()


def test_what_can_be_seen_stays_as_it_is() -> None:
    assert escaped("Réclamations 7\x1b[2J\u202e") == r"Réclamations 7\x1b[2J\u202e"


def test_causes_are_counted_the_most_frequent_first() -> None:
    assert list(counts({"a": 2, "b\x1b": 1000})) == ["  1,000  b\\x1b", "      2  a"]
