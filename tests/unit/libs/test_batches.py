"""The parts of a request, and how much of it they repeat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.batches import count_parts, exceed_limit, parts_of

_LEAVES = st.none() | st.integers() | st.text(max_size=3)
_ENTRIES = _LEAVES | st.fixed_dictionaries({}, optional={"changes": _LEAVES | st.lists(_LEAVES), "id": _LEAVES})


def bodies() -> st.SearchStrategy[dict[str, object]]:
    """Documents that can be split in all ways, or cannot be."""
    return st.fixed_dictionaries({}, optional={"entry": _LEAVES | st.lists(_ENTRIES), "object": _LEAVES})


@given(bodies())
def test_nothing_is_lost_and_places_are_unique(body: dict[str, object]) -> None:
    parts = list(parts_of(body))
    assert len({part.place for part in parts}) == len(parts) >= 1
    if [part.place for part in parts] == [""]:
        assert parts[0].body == body
        return
    entries = body["entry"]
    assert isinstance(entries, list)
    together: list[object] = []
    for i, entry in enumerate(entries):
        own = [part.body["entry"] for part in parts if part.place.partition(".")[0] == str(i)]
        assert all(isinstance(one, list) and len(one) == 1 for one in own)
        whole = own[0][0] if isinstance(own[0], list) else None
        if isinstance(entry, dict) and isinstance(entry.get("changes"), list) and entry["changes"]:
            whole = entry | {"changes": [one[0]["changes"][0] for one in own if isinstance(one, list)]}
        together.append(whole)
    assert together == entries


@given(bodies())
def test_parts_are_counted_as_they_are_made(body: dict[str, object]) -> None:
    assert count_parts(body) == len(list(parts_of(body)))


LONG = "x" * 1_000_000
CHANGES = list(range(40))


@pytest.mark.parametrize(
    ("body", "exceeds"),
    [
        ({"text": LONG, "entry": [{"changes": CHANGES}]}, True),
        ({"text": LONG, "entry": [{"id": i} for i in CHANGES]}, True),
        ({"entry": [{"text": LONG, "changes": CHANGES}]}, True),
        ({"entry": [{"text": LONG, "changes": CHANGES[:2]}, {"changes": CHANGES}]}, False),
        ({"entry": [{"changes": [LONG, *CHANGES]}]}, False),
        ({"text": LONG, "entry": CHANGES[:1]}, False),
        ({"text": LONG, "entries": CHANGES}, False),
    ],
)
def test_parts_are_too_large_together_if_what_they_repeat_is(body: dict[str, object], *, exceeds: bool) -> None:
    assert exceed_limit({}, body) is exceeds


def test_headers_are_repeated_in_every_part() -> None:
    body = {"entry": [{"changes": [0] * 300}]}
    assert exceed_limit({"a": "x" * 60_000}, body)
    assert not exceed_limit({"a": "x" * 50_000}, body)
