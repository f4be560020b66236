import asyncio
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import topics
from libs.exactly_once import outcomes
from libs.exactly_once.outcomes import (
    DeadLetter,
    Decider,
    NotNowError,
    Output,
    Record,
    outputs_of,
    portions,
    timestamp_of,
)
from tests.unit.exactly_once.records import MemoryRecord


def test_a_dead_letter_is_its_original_with_five_more_headers() -> None:
    record = MemoryRecord(
        topic=topics.EVENTS, partition=7, offset=42, key=None, value=b"\xff", headers=[("a", b"\x00"), ("b", None)]
    )
    assert outputs_of("trigger", record, DeadLetter("malformed-event")) == [
        Output(
            topic=topics.DEAD_LETTERS,
            key=None,
            value=b"\xff",
            timestamp_ms=record.timestamp,
            headers=[
                ("a", b"\x00"),
                ("b", None),
                (outcomes.CAUSE, b"malformed-event"),
                (outcomes.SERVICE, b"trigger"),
                (outcomes.TOPIC, topics.EVENTS.encode()),
                (outcomes.PARTITION, b"7"),
                (outcomes.OFFSET, b"42"),
            ],
        )
    ]


async def test_a_decision_that_raises_is_a_dead_letter_and_the_others_are_made() -> None:
    def decide(record: Record) -> int:
        return 1 // record.offset

    records = [MemoryRecord(offset=offset) for offset in (1, 0, 1)]
    assert await Decider[int]().each(decide, records) == [1, DeadLetter(outcomes.UNEXPECTED), 1]


async def test_what_cannot_be_decided_now_is_no_dead_letter() -> None:
    def decide(record: Record) -> int:
        raise NotNowError(record.offset)

    with pytest.raises(NotNowError, match="7"):
        await Decider[int]().each(decide, [MemoryRecord(offset=7)])


async def test_when_its_time_is_over_it_has_decided_about_the_first_of_the_records() -> None:
    records = [MemoryRecord(offset=offset) for offset in (7, 8, 9)]
    assert await Decider[int](turn_limit_s=0).each(lambda record: record.offset, records) == [7]


async def test_the_payload_of_a_record_that_raised_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def decide(record: Record) -> int:
        raise ValueError(record.value)

    await Decider[int]().each(decide, [MemoryRecord(value=b"secret", offset=3)])
    assert "inlet.requests/0/3: ValueError" in caplog.text
    assert "secret" not in caplog.text


async def test_other_work_gets_its_turn_however_many_portions_wait() -> None:
    decider, log = Decider[int](), list[str]()
    records = [MemoryRecord(value=bytes(200_000))] * 3

    def decide_one(_: Record) -> int:
        log.append("decision")
        return 0

    async def decide() -> None:
        await decider.each(decide_one, records)

    async def heartbeat() -> None:
        while log.count("decision") < 9:
            log.append("heartbeat")
            await asyncio.sleep(0)

    await asyncio.gather(heartbeat(), decide(), decide(), decide())
    assert "decision decision decision" not in " ".join(log)


@given(st.lists(st.integers(0, 15), max_size=20))
def test_portions_keep_every_item_in_order_and_are_light_and_few(weights: list[int]) -> None:
    cut = list(portions(weights, lambda weight: weight, limit_bytes=10))
    assert [weight for portion in cut for weight in portion] == weights
    assert all(len(portion) == 1 or sum(portion) <= 10 for portion in cut)
    assert all(sum(portion) + following[0] > 10 for portion, following in pairwise(cut))


def test_the_timestamp_is_the_time_of_receipt_in_whole_milliseconds() -> None:
    received_at = datetime(2026, 1, 31, 9, 15, 30, 123_999, tzinfo=UTC)
    assert timestamp_of(received_at, MemoryRecord(timestamp=1_769_850_931_000)) == 1_769_850_930_123


def test_the_timestamp_is_never_later_than_that_of_the_record_nor_before_the_epoch() -> None:
    assert timestamp_of(datetime(2999, 1, 1, tzinfo=UTC), MemoryRecord(timestamp=5)) == 5
    assert timestamp_of(datetime(1, 1, 1, tzinfo=UTC), MemoryRecord(timestamp=5)) == 0


def test_a_time_without_a_zone_is_no_time_of_receipt() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        timestamp_of(datetime(2026, 1, 31), MemoryRecord())  # noqa: DTZ001 that is the case
