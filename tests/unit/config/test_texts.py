"""The one rule for names."""

import pytest

from services.config.errors import Fault
from services.config.texts import check_text


@pytest.mark.parametrize("turning", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_a_name_cannot_turn_around_what_follows_it(turning: str) -> None:
    faults: list[Fault] = []
    check_text(f"Complaints{turning}gpj", "name", 200, faults)
    assert [fault.field for fault in faults] == ["name"]


@pytest.mark.parametrize("name", ["שלום", "طلبات", "👩‍👩‍👧 orders", "a\u200fb"])
def test_a_name_in_any_script_is_taken(name: str) -> None:
    faults: list[Fault] = []
    assert check_text(name, "name", 200, faults) == name
    assert faults == []
