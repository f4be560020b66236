"""Reports, added up."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from libs import topics
from libs.activity import (
    RECENT_LIMIT,
    Dead,
    Dropped,
    IngressReport,
    Input,
    Matched,
    PipelineReport,
    Pointer,
    Rejection,
    Repetition,
    Report,
)
from libs.messages import Position
from services.config.entries import BUCKET_S, Counts, Entry, Place, bucket_of, gather

ONE, OTHER = str(uuid4()), str(uuid4())
EVENT = "01947a3e-5b8c-7def-8123-456789abcdef"
AT, WHEN = "2026-01-31T09:15:30.123456Z", datetime(2026, 1, 31, 9, 15, 30, 123456, UTC)
SECOND = 1_769_850_930


def counted(
    accepted: int = 0, duplicates: int = 0, rejected: int = 0, *, of: str = ONE, at: int = SECOND
) -> IngressReport:
    return IngressReport(integration_id=of, at=at, accepted=accepted, duplicates=duplicates, rejected=rejected)


def ended(*pointers: Pointer, of: str = ONE) -> PipelineReport:
    return PipelineReport(topic=topics.EVENTS, partition=7, ended={of: pointers})


def test_what_ended_in_the_pipeline_is_an_entry_with_its_place() -> None:
    report = ended(
        Matched(EVENT, 1, AT, 21, (OTHER, "no id")),
        Matched(EVENT, 2, AT, 0, ()),
        Dropped(EVENT, 3, AT),
        Dead(EVENT, 4, AT, "too-large"),
        Matched(EVENT, 5, AT, 0, (), OTHER),
    )
    assert gather([report]).entries == {
        ONE: [
            Entry(
                id=EVENT,
                at=WHEN,
                outcome="matched",
                matches=21,
                business_events=(OTHER,),
                place=Place(topics.EVENTS, 7, 1),
            ),
            Entry(id=EVENT, at=WHEN, outcome="no-match", place=Place(topics.EVENTS, 7, 2)),
            Entry(id=EVENT, at=WHEN, outcome="duplicate", place=Place(topics.EVENTS, 7, 3)),
            Entry(id=EVENT, at=WHEN, outcome="dead-letter", cause="too-large", place=Place(topics.EVENTS, 7, 4)),
            Entry(id=EVENT, at=WHEN, outcome="no-match", place=Place(topics.EVENTS, 7, 5), request_id=OTHER),
        ]
    }


def test_what_ended_at_the_ingress_is_an_entry_without_a_place() -> None:
    inputs = (Input(parameter="body.id", value=1),)
    recent = (
        Repetition(id=EVENT, at=AT, inputs=inputs, owner=Position(3, 7)),
        Rejection(id=EVENT, at=AT, status=401, reason="no token"),
    )
    assert gather([replace(counted(), recent=recent)]).entries[ONE] == [
        Entry(id=EVENT, at=WHEN, outcome="duplicate", inputs=inputs, owner=Place(topics.REQUESTS, 3, 7)),
        Entry(id=EVENT, at=WHEN, outcome="rejected", status=401, reason="no token"),
    ]


def test_an_entry_is_stored_as_little_more_than_what_is_in_it() -> None:
    [entry] = gather([ended(Matched(EVENT, 123_456, AT, 0, ()))]).entries[ONE]
    assert len(msgspec.json.encode(entry)) < 200


def test_counts_are_added_by_integration_and_five_minutes() -> None:
    reports = [
        counted(1, 2, 3),
        counted(10, 20, 30, at=SECOND + 200),
        counted(100, at=SECOND - 30 - 15 * 60),
        counted(1, of=OTHER),
    ]
    gathered = gather(reports)
    noon = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)
    assert gathered.counts == {
        (ONE, noon): Counts(11, 22, 33),
        (ONE, noon - timedelta(minutes=15)): Counts(100, 0, 0),
        (OTHER, noon): Counts(1, 0, 0),
    }
    assert gathered.last_request_at == {
        ONE: datetime.fromtimestamp(SECOND + 200, UTC),
        OTHER: datetime.fromtimestamp(SECOND, UTC),
    }


def test_what_the_pipeline_has_dropped_counts_as_duplicates_and_no_longer_as_accepted() -> None:
    minute = SECOND // 60 * 60
    dropped = replace(ended(), dropped={ONE: {minute: 2, minute - 600: 1}, "no id": {minute: 1}, OTHER: {10**20: 1}})
    gathered = gather([counted(5, 1), dropped])
    quarter = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)
    assert gathered.counts == {
        (ONE, quarter): Counts(3, 3, 0),
        (ONE, quarter - timedelta(minutes=10)): Counts(-1, 1, 0),
    }
    assert gathered.last_request_at == {ONE: datetime.fromtimestamp(SECOND, UTC)}


@pytest.mark.parametrize(
    "report",
    [
        counted(1, of="no id"),
        counted(1, at=10**18),
        ended(Dropped(EVENT, 1, AT), of="no id"),
        ended(Dropped("no id", 1, AT)),
        ended(Dropped(EVENT, 1, "yesterday")),
        ended(Dropped(EVENT, 1, "2026-01-31T09:15:30")),
        ended(Dropped(EVENT, 1, "0001-01-01T00:00:00+01:00")),
        replace(counted(of="no id"), recent=(Rejection(id=EVENT, at=AT, status=400, reason="r"),)),
    ],
)
def test_what_cannot_be_of_any_integration_or_time_is_passed_over(report: Report) -> None:
    gathered = gather([report, counted(5, of=OTHER), ended(Dropped(EVENT, 1, AT), of=OTHER)])
    assert set(gathered.entries) == {OTHER}
    assert set(gathered.last_request_at) == {OTHER}
    assert {integration_id for integration_id, _ in gathered.counts} == {OTHER}


def test_of_many_entries_the_latest_are_kept_whichever_partition_told_of_them_first() -> None:
    def at(number: int) -> Dropped:
        return Dropped(str(uuid4()), number, (WHEN + timedelta(seconds=number)).isoformat())

    late, early = ended(*map(at, range(150, 300))), ended(*map(at, range(150)))
    kept = gather([late, early]).entries[ONE]
    assert [entry.place.offset for entry in kept if entry.place] == [*range(300 - RECENT_LIMIT, 300)]


COUNTED = st.builds(
    counted,
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    of=st.sampled_from([ONE, OTHER]),
    at=st.integers(SECOND, SECOND + 4 * BUCKET_S),
)


@given(st.lists(COUNTED), st.lists(COUNTED))
def test_counts_do_not_depend_on_what_is_gathered_together(
    some: list[IngressReport], more: list[IngressReport]
) -> None:
    together, apart = gather([*some, *more]).counts, gather(some).counts
    for key, counts in gather(more).counts.items():
        apart[key] = apart[key].plus(counts)
    assert together == apart
    assert sum(counts.accepted for counts in together.values()) == sum(one.accepted for one in [*some, *more])


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  as it wants them
def test_the_beginning_of_five_minutes_is_before_the_time_and_not_five_minutes_before(at: datetime) -> None:
    begin = bucket_of(at)
    assert timedelta() <= at - begin < timedelta(seconds=BUCKET_S)
    assert begin.minute % 5 == begin.second == begin.microsecond == 0
