from urllib.parse import quote
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from libs import topics
from libs.activity import Dead, Matched
from libs.exactly_once.outcomes import TOO_COSTLY, TOO_LARGE, DeadLetter, Ended, Outcome, Output
from libs.messages import BusinessEvent, Trigger
from services.trigger.matching import MALFORMED_EVENT, TRIGGERS_LIMIT_BYTES, match
from services.trigger.rules import Matchers, compile_rules
from tests.unit.exactly_once.records import MemoryRecord
from tests.unit.libs.documents import BODIES
from tests.unit.trigger.events import EVENT_ID, HIGH, business_event, event, record_of


def matchers(*business_events: BusinessEvent) -> Matchers:
    return {"i": compile_rules(business_events)}


def outcome_of(using: Matchers, record: MemoryRecord) -> Outcome:
    return match(using, record).outcome


def outputs(using: Matchers, record: MemoryRecord) -> list[Output]:
    outcome = outcome_of(using, record)
    assert not isinstance(outcome, DeadLetter)
    return list(outcome)


def test_an_event_that_would_take_too_long_is_a_dead_letter() -> None:
    slow: dict[str, object] = {
        "param": "body.items.*",
        "type": "string",
        "operator": "REGEXP",
        "value": "((a?){100}b?){8}[cd]$",
    }
    record = record_of(event({"items": ["a" * 4000] * 200}))
    assert outcome_of(matchers(business_event("b", slow)), record) == TOO_COSTLY


def test_a_match_becomes_a_trigger_around_the_very_bytes_of_the_event() -> None:
    record = record_of(event({"priority": "high", "name": "Ünal"}))
    (output,) = outputs(matchers(business_event("b", HIGH)), record)
    value = output.value or b""
    assert value.endswith(b'"event":' + (record.value or b"") + b"}")
    trigger = msgspec.json.decode(value, type=Trigger)
    assert trigger.id == str(uuid5(UUID(EVENT_ID), "b"))
    assert (trigger.business_event.id, trigger.business_event.name, trigger.business_event.version) == (
        "b",
        "Ünusual b",
        2,
    )
    assert list(msgspec.json.decode(value)) == ["id", "businessEvent", "event"]
    assert (output.topic, output.key, output.timestamp_ms) == (topics.TRIGGERS, b"k", 1_769_850_930_123)


def test_a_trigger_has_the_attributes_of_a_cloud_event_in_ascii() -> None:
    strange = 'ü/" b'
    record = record_of(event({}, integration=strange))
    (output,) = outputs({strange: compile_rules([business_event(strange, {})])}, record)
    assert dict(output.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(uuid5(UUID(EVENT_ID), strange)).encode(),
        "ce_source": b"/integrations/" + quote(strange, safe="").encode("ascii"),
        "ce_type": b"inlet.trigger",
        "ce_subject": quote(strange, safe="").encode("ascii"),
        "ce_time": b"2026-01-31T09:15:30.123456Z",
        "content-type": b"application/json",
    }


def test_triggers_of_one_event_come_in_the_order_of_the_business_events_ids() -> None:
    using = matchers(business_event("c", {}), business_event("a", HIGH), business_event("b", HIGH | {"value": "low"}))
    triggers = [
        msgspec.json.decode(output.value or b"", type=Trigger)
        for output in outputs(using, record_of(event({"priority": "high"})))
    ]
    assert [trigger.business_event.id for trigger in triggers] == ["a", "c"]


def test_an_event_that_matches_nothing_or_has_no_business_event_publishes_nothing() -> None:
    record = record_of(event({"priority": "low"}))
    assert outputs(matchers(business_event("b", HIGH)), record) == []
    assert outputs({}, record) == []


@pytest.mark.parametrize(("time_zone", "count"), [("UTC", 1), ("Pacific/Kiritimati", 0)])
def test_the_current_day_is_that_of_receipt_in_the_zone_of_the_business_event(time_zone: str, count: int) -> None:
    today: dict[str, object] = {"param": "body.day", "type": "date", "operator": "MATCHES_CURRENT_DAY"}
    using = matchers(business_event("b", today, time_zone=time_zone))
    # The event was received at 09:15 UTC; an island fourteen hours ahead is a day later at 10:30.
    assert len(outputs(using, record_of(event({"day": "2026-01-31T10:30:00Z"})))) == count


@given(BODIES)
def test_matching_again_comes_to_the_same_triggers(body: dict[str, object]) -> None:
    using = matchers(
        business_event("a", {}), business_event("b", {"param": "body.a", "type": "any", "operator": "EXISTS"})
    )
    record = record_of(event(body))
    assert match(using, record) == match(using, record)


GOOD = record_of(event({})).value or b""


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        b"{}",
        GOOD[:-1],
        GOOD.replace(b"2026-01-31T", b"someday "),
        GOOD.replace(b"123456Z", b"123456"),
        GOOD.replace(b"2026-01-31T", "2026-01-31\u2666".encode()),
        GOOD.replace(EVENT_ID.encode(), b"event-1"),
        GOOD.replace("Réclamations".encode(), b"\xff"),
    ],
)
def test_a_malformed_event_is_a_dead_letter(value: bytes | None) -> None:
    record = MemoryRecord(topic=topics.EVENTS, value=value)
    assert outcome_of(matchers(business_event("b", {})), record) == MALFORMED_EVENT


@given(st.binary(max_size=60))
def test_it_decides_about_any_bytes(value: bytes) -> None:
    record = MemoryRecord(topic=topics.EVENTS, value=value)
    assert outcome_of(matchers(business_event("b", {})), record) == MALFORMED_EVENT


def test_a_trigger_that_no_topic_takes_is_a_dead_letter() -> None:
    # Larger than the normalizer lets an event be, but a record that the topic takes.
    big = MemoryRecord(topic=topics.EVENTS, value=GOOD.ljust(topics.RECORD_LIMIT_BYTES - 65_000))
    assert outcome_of(matchers(business_event("b", {})), big) == TOO_LARGE
    assert outcome_of({}, big) == []


def test_triggers_that_no_transaction_takes_together_are_a_dead_letter() -> None:
    using = matchers(*(business_event(str(number), {}) for number in range(100)))
    assert len(outputs(using, MemoryRecord(value=GOOD.ljust(TRIGGERS_LIMIT_BYTES // 100)))) == 100
    assert outcome_of(using, MemoryRecord(value=GOOD.ljust(TRIGGERS_LIMIT_BYTES // 100 + 1))) == TOO_LARGE


def test_the_triggers_of_the_largest_event_are_published() -> None:
    using = matchers(*(business_event(str(number), {}) for number in range(3)))
    assert len(outputs(using, MemoryRecord(value=GOOD.ljust(20 * 1024 * 1024 - 128 * 1024)))) == 3


def test_an_event_is_pointed_to_with_the_business_events_that_it_has_matched() -> None:
    using = matchers(business_event("a", HIGH), business_event("b", {}))
    record = MemoryRecord(topic=topics.EVENTS, offset=42, value=record_of(event({"priority": "high"})).value)
    at = "2026-01-31T09:15:30.123456Z"
    assert match(using, record).ended == Ended("i", Matched(EVENT_ID, 42, at, 2, ("a", "b")))
    assert match({}, record).ended == Ended("i", Matched(EVENT_ID, 42, at, 0, ()))


def test_a_part_of_a_request_is_pointed_to_with_the_request() -> None:
    ended = match({}, record_of(replace(event({}), request_id="r"))).ended
    assert ended is not None
    assert isinstance(ended.pointer, Matched)
    assert ended.pointer.request_id == "r"


def test_of_many_business_events_that_match_the_first_are_named_and_all_are_counted() -> None:
    ended = match(matchers(*(business_event(f"{number:03}", {}) for number in range(100))), record_of(event({}))).ended
    assert ended is not None
    assert isinstance(ended.pointer, Matched)
    assert (ended.pointer.count, ended.pointer.business_events) == (100, tuple(f"{number:03}" for number in range(20)))


def test_a_dead_letter_is_pointed_to_if_its_integration_is_known() -> None:
    using = matchers(*(business_event(str(number), {}) for number in range(100)))
    too_large = MemoryRecord(offset=7, value=GOOD.ljust(TRIGGERS_LIMIT_BYTES // 100 + 1))
    pointer = Dead(EVENT_ID, 7, "2026-01-31T09:15:30.123456Z", "too-large")
    assert match(using, too_large).ended == Ended("i", pointer)
    assert match(using, MemoryRecord(value=b"{}")).ended is None
