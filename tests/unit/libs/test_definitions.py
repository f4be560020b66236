from itertools import pairwise
from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from libs.definitions import fold
from libs.messages import Definition, Integration, NoAuth, Undecodable


class Record(NamedTuple):
    key: bytes | None
    value: bytes | None


def _integration(version: int) -> Integration:
    return Integration(id="i", workspace="w", name="n", version=version, auth=NoAuth())


KEYS = st.sampled_from([b"integration/a", b"integration/b", b"business-event/c"])
LOGS = st.lists(
    st.builds(
        Record, KEYS, st.none() | st.builds(lambda version: msgspec.json.encode(_integration(version)), st.integers())
    )
)


def _live(log: list[Record], cuts: list[int]) -> dict[str, Definition | Undecodable]:
    """What a service holds that applies the log in pieces cut at `cuts`."""
    state: dict[str, Definition | Undecodable] = {}
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    for start, end in pairwise(edges):
        for key, definition in fold(log[start:end]).items():
            if definition is None:
                state.pop(key, None)
            else:
                state[key] = definition
    return state


@given(LOGS, st.lists(st.integers(0, 20)))
def test_the_pieces_in_which_the_log_arrives_do_not_matter(log: list[Record], cuts: list[int]) -> None:
    last = {record.key: record.value for record in log}
    assert {key.encode(): msgspec.json.encode(value) for key, value in _live(log, cuts).items()} == {
        key: value for key, value in last.items() if value is not None
    }


@given(LOGS, st.data())
def test_compaction_changes_nothing(log: list[Record], data: st.DataObject) -> None:
    superseded = [i for i, record in enumerate(log) if any(later.key == record.key for later in log[i + 1 :])]
    tombstones = [i for i, record in enumerate(log) if record.value is None and i not in superseded]
    gone = set(superseded) if data.draw(st.booleans()) else set()
    removable = gone and {i for i in tombstones if data.draw(st.booleans())}
    compacted = [record for i, record in enumerate(log) if i not in gone | removable]
    assert _live(compacted, []) == _live(log, [])


def test_what_cannot_be_read_is_reported_and_a_record_without_a_key_is_passed_over() -> None:
    changes = fold([Record(None, b"x"), Record(b"integration/a", b"?")])
    assert list(changes) == ["integration/a"]
    assert isinstance(changes["integration/a"], Undecodable)
