"""What is on the topic of dead letters, and what is put back of it."""

from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from libs import topics
from libs.exactly_once.outcomes import DeadLetter, Headers, Output, outputs_of, timestamp_of
from libs.replays import REPLAY_OF, Origin, origin_of
from services.config.dead_letters.letters import (
    RESOLUTION,
    UNKNOWN,
    Key,
    Letter,
    Place,
    Resolution,
    Wanted,
    original,
    read,
    resolution,
)
from services.config.errors import UnavailableError
from tests.integration.pipeline import Request, new_integration
from tests.unit.exactly_once.records import MemoryRecord

NOW = datetime(2026, 2, 20, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def stored(output: Output, partition: int = 3, offset: int = 17) -> ConsumerRecord:
    return ConsumerRecord(
        topic=output.topic,
        partition=partition,
        offset=offset,
        timestamp=output.timestamp_ms,
        timestamp_type=0,
        key=output.key,
        value=output.value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(output.headers),
    )


def dead(headers: Headers = (("a", b"1"),), offset: int = 9, topic: str = topics.REQUESTS) -> ConsumerRecord:
    """The dead letter of a record in partition 3."""
    record = MemoryRecord(topic=topic, partition=3, offset=offset, headers=headers)
    (output,) = outputs_of("normalizer", record, DeadLetter("too-large"))
    return stored(output)


def test_what_is_put_back_is_the_record_as_it_was_but_of_now_and_with_where_it_was() -> None:
    put_back = original(dead(), NOW_MS)
    headers = [("a", b"1"), (REPLAY_OF, b"inlet.requests/3/9")]
    assert put_back == Output(topic=topics.REQUESTS, key=b"key", value=b"{}", headers=headers, timestamp_ms=NOW_MS)


def test_what_failed_again_is_put_back_with_where_it_was_first() -> None:
    first = original(dead(), NOW_MS)
    again = original(dead(first.headers, offset=40), NOW_MS)
    assert list(again.headers) == list(first.headers)
    assert origin_of(again.headers) == Origin(topics.REQUESTS, 3, 9)


def test_an_event_of_a_replayed_request_is_put_back_as_an_event_that_was_there_before() -> None:
    event = dead([(REPLAY_OF, b"inlet.requests/3/9")], offset=40, topic=topics.EVENTS)
    assert origin_of(original(event, NOW_MS).headers) == Origin(topics.EVENTS, 3, 40)


def test_a_replay_has_the_time_of_the_record_and_not_of_receipt() -> None:
    replay = MemoryRecord(headers=[(REPLAY_OF, b"inlet.requests/3/9")], timestamp=NOW_MS)
    assert timestamp_of(NOW - timedelta(days=20), replay) == NOW_MS
    assert timestamp_of(NOW - timedelta(days=20), MemoryRecord(timestamp=NOW_MS)) < NOW_MS


@pytest.mark.parametrize("value", [b"", b"\xff", b"inlet.requests/3", b"inlet.requests/3/-1", b"a/b/c", None])
def test_a_header_that_names_no_place_names_none(value: bytes | None) -> None:
    assert origin_of([(REPLAY_OF, value)]) is None


def test_a_letter_says_what_its_record_says() -> None:
    request = Request(integration=new_integration())
    letter = read(dead(request.sent().headers))
    assert isinstance(letter, Letter)
    assert (letter.place, letter.cause, letter.service) == (Place(3, 17), "too-large", "normalizer")
    assert (letter.event_id, letter.received_at, letter.workspace) == (request.event_id, request.received_at, "w")
    assert letter.integration is not None
    assert letter.integration.id == request.integration


@pytest.mark.parametrize("topic", ["inlet.triggers", "elsewhere", ""])
def test_what_came_from_no_topic_that_is_read_cannot_be_put_back(topic: str) -> None:
    record = dead(topic=topic)
    letter = read(record)
    assert isinstance(letter, Letter)
    assert (letter.cause, letter.origin) == (UNKNOWN, None)
    with pytest.raises(ValueError, match="3-17"):
        original(record, NOW_MS)


def test_a_resolution_is_read_as_it_was_written_and_one_of_a_later_version_is_no_reason_to_go_on() -> None:
    written = stored(resolution("discarded", [1, 5], NOW))
    assert read(written) == Resolution(action="discarded", at=NOW, offsets=(1, 5))
    later = stored(Output(topic="", key=None, value=b"{}", headers=[(RESOLUTION, b"merged")], timestamp_ms=0))
    with pytest.raises(UnavailableError, match="3-17"):
        read(later)


def test_everything_that_is_wanted_must_be_true_and_a_time_ends_before_until() -> None:
    letter = read(dead(Request(integration=new_integration()).sent().headers))
    assert isinstance(letter, Letter)
    assert letter.integration is not None
    at, moment = letter.at, timedelta(milliseconds=1)
    assert Wanted().fits(letter)
    assert Wanted(workspace="w", integration=letter.integration.id, cause="too-large", since=at).fits(letter)
    for other in (
        Wanted(workspace="other"),
        Wanted(integration="other", workspace="w"),
        Wanted(cause="other"),
        Wanted(service="trigger"),
        Wanted(since=at + moment),
        Wanted(until=at),
        Wanted(place=Place(3, 18)),
    ):
        assert not other.fits(letter)


@given(st.integers(0, 10**13), st.integers(0, 10**8), st.integers(0, 10**17))
def test_keys_and_places_are_read_as_they_are_written(at_ms: int, partition: int, offset: int) -> None:
    key = Key(at_ms, Place(partition, offset))
    assert Key.of(str(key)) == key
    assert Place.of(f"{partition}:{offset}") == key.place
