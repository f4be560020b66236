from hypothesis import given
from hypothesis import strategies as st

from libs.escaping import escaped


@given(st.text())
def test_nothing_that_is_printed_moves_a_cursor_or_hides_anything(text: str) -> None:
    assert escaped(text).isprintable()
    assert escaped(text, keep="\n").replace("\n", "").isprintable()


def test_what_can_be_seen_stays_as_it_is() -> None:
    assert escaped("Réclamations 7\x1b[2J\u202e") == r"Réclamations 7\x1b[2J\u202e"
