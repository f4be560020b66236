import msgspec
from hypothesis import given
from hypothesis import strategies as st

from libs import topics
from libs.activity import RECENT_LIMIT, Dead, Dropped, Matched, PipelineReport, Pointer
from libs.exactly_once.outcomes import Ended
from libs.exactly_once.reports import report
from tests.unit.exactly_once.records import MemoryRecord

LAST = MemoryRecord(topic=topics.EVENTS, partition=7, offset=41, timestamp=123)


def ended(integration: str, offset: int) -> Ended:
    return Ended(integration, Dropped("e", offset, "2026-01-31T09:15:30.123456Z"))


def reported(endings: list[Ended | None]) -> dict[str, tuple[Pointer, ...]]:
    [output] = report(LAST, endings)
    return msgspec.json.decode(output.value or b"", type=PipelineReport).ended


def test_a_portion_is_reported_in_one_record_that_says_where_it_was_read() -> None:
    matched = Ended("i", Matched("e", 40, "2026-01-31T09:15:30.123456Z", 1, ("b",)))
    [output] = report(LAST, [matched, None])
    assert (output.topic, output.key, output.timestamp_ms) == (topics.ACTIVITY, None, 123)
    assert msgspec.json.decode(output.value or b"", type=PipelineReport) == PipelineReport(
        topic=topics.EVENTS, partition=7, ended={"i": (matched.pointer,)}
    )


def test_duplicates_are_all_counted_by_the_minute_of_their_receipt() -> None:
    later = Ended("busy", Dropped("e", 2000, "2026-01-31T09:16:00.000000Z"))
    dead = Ended("dead", Dead("e", 2001, "2026-01-31T09:16:00.000000Z", "too-large"))
    [output] = report(LAST, [ended("quiet", 0), *(ended("busy", offset) for offset in range(1, 1000)), later, dead])
    minute = 1_769_850_900
    found = msgspec.json.decode(output.value or b"", type=PipelineReport)
    assert found.dropped == {"quiet": {minute: 1}, "busy": {minute: 999, minute + 60: 1}}


def test_where_nothing_ends_nothing_is_reported() -> None:
    assert report(LAST, []) == []
    assert report(LAST, [None, None]) == []


@given(st.lists(st.none() | st.sampled_from("abc"), min_size=1).filter(any))
def test_of_few_requests_each_is_reported_once_in_its_order(integrations: list[str | None]) -> None:
    endings = [ended(one, offset) if one else None for offset, one in enumerate(integrations)]
    assert reported(endings) == {
        name: tuple(one.pointer for one in endings if one is not None and one.integration_id == name)
        for name in set(filter(None, integrations))
    }


def test_of_many_requests_to_an_integration_the_latest_are_reported_and_another_loses_none() -> None:
    endings = [ended("quiet", 0), *(ended("busy", offset) for offset in range(1, 1000))]
    found = reported([*endings])
    assert [one.offset for one in found["quiet"]] == [0]
    assert [one.offset for one in found["busy"]] == [*range(1000 - RECENT_LIMIT, 1000)]
