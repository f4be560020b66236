"""Whoever was written against the first release understands what is written today."""

from typing import get_args

import msgspec

from libs import topics
from libs.exactly_once.outcomes import DeadLetter, Output, outputs_of
from libs.identifiers import part_id, trigger_id
from libs.messages import (
    BATCH,
    Auth,
    Batch,
    BusinessEvent,
    Integration,
    IntegrationRef,
    JwtAuth,
    MetaAuth,
    NoAuth,
    RateLimit,
    Source,
    ascii_json,
    encode_metadata,
)
from libs.replays import REPLAY_OF
from services.normalizer.normalize import normalize
from services.trigger.matching import match
from services.trigger.rules import compile_rules
from tests.unit.compatibility import first_release
from tests.unit.exactly_once.records import MemoryRecord

ID = "01947a3e-5b8c-7def-8123-456789abcdef"
RECEIVED_AT = "2026-01-31T09:15:30.123456Z"
SOURCE = Source(workspace="w", integration=IntegrationRef(id="i", name="Zażalenia ⚡", version=3))
BODY: dict[str, object] = {"a": 12345678901234567890, "entry": [{"changes": [{"n": 1}, {"n": 2}]}]}
EVERYTHING = BusinessEvent(
    id="b", workspace="w", name="B", version=2, integration_id="i", state="active", where={"all": []}
)


def request(batch: Batch | None = None, replay_of: bytes | None = None) -> MemoryRecord:
    headers = encode_metadata(
        event_id=ID,
        received_at=RECEIVED_AT,
        source=ascii_json(SOURCE),
        headers={"x-form-id": "ü"},
        deduplicated=batch is None,
        definitions_offset=7,
        batch=ascii_json(batch) if batch else None,
    )
    if replay_of is not None:
        headers.append((REPLAY_OF, replay_of))
    return MemoryRecord(key=b"00ff", value=msgspec.json.encode(BODY), headers=headers)


def events_of(record: MemoryRecord) -> list[MemoryRecord]:
    """What the normalizer writes, as the trigger service reads it."""
    decision = normalize(record)
    assert not isinstance(decision, DeadLetter)
    return [_read(one.output) for one in decision]


def triggers_of(record: MemoryRecord) -> list[MemoryRecord]:
    outcome = match({"i": compile_rules([EVERYTHING])}, record).outcome
    assert not isinstance(outcome, DeadLetter)
    return [_read(one) for one in outcome]


def _read(output: Output) -> MemoryRecord:
    return MemoryRecord(
        topic=output.topic, key=output.key, value=output.value, headers=output.headers, timestamp=output.timestamp_ms
    )


def test_a_consumer_of_the_first_release_reads_the_events_and_triggers_of_today() -> None:
    for record in (request(), request(replay_of=b"inlet.requests/3/17"), request(Batch(parameters=("body.a",)))):
        for number, written in enumerate(events_of(record)):
            event = msgspec.json.decode(written.value or b"", type=first_release.Event)
            is_part = BATCH in dict(record.headers)
            assert event == first_release.Event(
                id=part_id(ID, f"0.{number}") if is_part else ID,
                workspace="w",
                integration=first_release.IntegrationRef(id="i", name="Zażalenia ⚡", version=3),
                received_at=RECEIVED_AT,
                headers={"x-form-id": "ü"},
                body=event.body if is_part else BODY,
                parameters=event.parameters
                if is_part
                else {
                    "body.a": 12345678901234567890,
                    "body.entry.0.changes.0.n": 1,
                    "body.entry.0.changes.1.n": 2,
                    "headers.x-form-id": "ü",
                },
            )
            (read,) = triggers_of(written)
            trigger = msgspec.json.decode(read.value or b"", type=first_release.Trigger)
            assert trigger.id == trigger_id(event.id, "b")
            assert trigger.business_event == first_release.BusinessEventRef(id="b", name="B", version=2)
            assert trigger.event == event
            assert read.key == written.key == b"00ff"
            assert dict(read.headers) == {
                "ce_specversion": b"1.0",
                "ce_id": trigger.id.encode(),
                "ce_source": b"/integrations/i",
                "ce_type": b"inlet.trigger",
                "ce_subject": b"b",
                "ce_time": RECEIVED_AT.encode(),
                "content-type": b"application/json",
            }


def test_a_normalizer_of_the_first_release_reads_the_requests_of_an_ingress_of_today() -> None:
    assert first_release.read_metadata(request().headers) == first_release.RequestMetadata(
        event_id=ID,
        received_at=RECEIVED_AT,
        source=msgspec.convert(msgspec.to_builtins(SOURCE), first_release.Source),
        headers={"x-form-id": "ü"},
        deduplicated=True,
        definitions_offset=7,
    )


def test_a_dead_letter_tells_the_first_release_where_it_is_from() -> None:
    (written,) = outputs_of("normalizer", request(), DeadLetter("too-large"))
    assert (written.topic, written.key, written.value) == (topics.DEAD_LETTERS, b"00ff", request().value)
    assert first_release.read_cause(written.headers) == {
        "inlet-cause": "too-large",
        "inlet-service": "normalizer",
        "inlet-topic": topics.REQUESTS,
        "inlet-partition": "0",
        "inlet-offset": "0",
    }


def an_integration(auth: Auth) -> Integration:
    limit = RateLimit(per_second=1, burst=2)
    return Integration(id="i", workspace="w", name="I", version=1, auth=auth, rate_limit=limit)


def test_services_of_the_first_release_read_what_they_knew_of_the_definitions_of_today() -> None:
    assert first_release.read_definition(msgspec.json.encode(EVERYTHING)) == first_release.BusinessEvent(
        id="b", workspace="w", name="B", version=2, integration_id="i", state="active", where={"all": []}
    )
    assert first_release.read_definition(msgspec.json.encode(an_integration(NoAuth()))) == first_release.Integration(
        id="i", workspace="w", name="I", version=1, auth=first_release.NoAuth(kind="none")
    )


def test_what_the_first_release_does_not_know_of_authentication_it_does_not_take_for_open() -> None:
    later = (JwtAuth(api_key_id="k"), MetaAuth(app_secrets=("s",), verify_token="t"))
    assert {type(auth) for auth in later} | {NoAuth} == set(get_args(Auth))
    assert [first_release.read_definition(msgspec.json.encode(an_integration(auth))) for auth in later] == [None, None]
