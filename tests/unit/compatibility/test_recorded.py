"""What was written before is read today, and means what it meant."""

from datetime import UTC, datetime

import msgspec
import pytest

from libs import topics
from libs.activity import decode_report
from libs.deduplication import Hasher
from libs.definitions import fold
from libs.exactly_once.outcomes import DeadLetter, Output
from libs.messages import (
    ApiKey,
    BusinessEvent,
    Capture,
    DraftIntegration,
    Event,
    Integration,
    JwtAuth,
    MetaAuth,
    NoAuth,
    RateLimit,
    RefusedSample,
    Sample,
    SigningKey,
    decode_metadata,
)
from services.config.dead_letters.letters import Letter, Resolution, original, read
from services.config.entries import Counts, gather
from services.ingress.integrations import Route
from services.ingress.snapshot import EMPTY
from services.normalizer.normalize import normalize
from services.trigger.matching import match
from services.trigger.rules import compile_rules
from tests.unit.compatibility.recorded import recorded
from tests.unit.config.dead_letters.test_letters import stored
from tests.unit.exactly_once.records import MemoryRecord
from tests.unit.ingress.compiling import COMPILER, published

INTEGRATION = "01a20c91-b4de-72bf-b106-c0dd032b4c6c"
BUSINESS_EVENT = "01a20c91-b4f3-7ea6-8de4-3ffa6a7eb834"


def _as_written(record: MemoryRecord) -> Output:
    return Output(
        topic=record.topic, key=record.key, value=record.value, headers=record.headers, timestamp_ms=record.timestamp
    )


def test_requests_become_the_events_that_they_became_then() -> None:
    whole, plain, split = recorded(topics.REQUESTS)
    events = [normalize(whole), normalize(plain)]
    written = [decision[0].output for decision in events if not isinstance(decision, DeadLetter)]
    assert [(one.key, one.value, list(one.headers)) for one in written] == [
        (one.key, one.value, list(one.headers)) for one in recorded(topics.EVENTS)
    ]
    parts = normalize(split)
    assert not isinstance(parts, DeadLetter)
    assert len(parts) == 2


def test_equal_requests_have_the_hash_that_they_had_then() -> None:
    request, *_ = recorded(topics.REQUESTS)
    headers, body = decode_metadata([(name, value or b"") for name, value in request.headers]).headers, request.value
    hasher = Hasher(INTEGRATION, ("headers.x-form-id", "body.complaint.id"))
    found = hasher(headers, msgspec.json.decode(body or b"", type=dict[str, object]))
    assert found is not None
    assert found.encode() == request.key


def test_events_trigger_what_they_triggered_then() -> None:
    definitions = fold(recorded(topics.DEFINITIONS))
    active = [one for one in definitions.values() if isinstance(one, BusinessEvent) and one.state == "active"]
    decisions = [match({INTEGRATION: compile_rules(active)}, record) for record in recorded(topics.EVENTS)]
    outputs = [
        one for decision in decisions if not isinstance(decision.outcome, DeadLetter) for one in decision.outcome
    ]
    assert [(one.key, one.value, list(one.headers)) for one in outputs] == [
        (one.key, one.value, list(one.headers)) for one in recorded(topics.TRIGGERS)
    ]
    assert [msgspec.json.decode(record.value or b"", type=Event).id for record in recorded(topics.EVENTS)] == [
        "01a20c91-b66a-7716-9030-870c9f99e990",
        "01a20c91-b66a-7716-9030-870c9f99e991",
    ]


def test_definitions_of_every_kind_are_read() -> None:
    found = fold(recorded(topics.DEFINITIONS))
    kinds = [type(definition) for definition in found.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        Integration: 4,
        BusinessEvent: 2,
        DraftIntegration: 1,
        Capture: 1,
        ApiKey: 2,
        SigningKey: 1,
    }
    published_ = [one for one in found.values() if isinstance(one, Integration)]
    assert [type(one.auth) for one in published_] == [NoAuth, NoAuth, JwtAuth, MetaAuth]
    assert published_[2].rate_limit == RateLimit(per_second=5, burst=10)


@pytest.mark.parametrize("integration_id", [INTEGRATION, "01a20c91-b4de-72bf-b106-c0dd032b4c6d"])
def test_integrations_of_the_first_release_are_open_as_they_said_themselves(integration_id: str) -> None:
    route = published(fold(recorded(topics.DEFINITIONS)))[integration_id]
    assert isinstance(route, Route)
    assert route.authenticator is None


def test_keys_are_known() -> None:
    keyring = COMPILER.updated(EMPTY, fold(recorded(topics.DEFINITIONS))).keyring
    assert (len(keyring.signing), len(keyring.api)) == (1, 2)


def test_samples_and_refusals_are_read() -> None:
    written = [record.value or b"" for record in recorded(topics.SAMPLES)]
    samples = [msgspec.json.decode(value, type=Sample | RefusedSample) for value in written]
    assert [type(sample) for sample in samples] == [Sample, RefusedSample]
    assert [msgspec.json.encode(sample) for sample in samples] == written


def test_reports_are_added_up() -> None:
    gathered = gather(decode_report(record.value or b"") for record in recorded(topics.ACTIVITY))
    assert list(gathered.counts.values()) == [Counts(3, 1, 1)]
    assert [len(entries) for entries in gathered.entries.values()] == [5]


def test_dead_letters_and_what_resolves_them_are_read_and_can_be_put_back() -> None:
    letter, resolution = (stored(_as_written(record)) for record in recorded(topics.DEAD_LETTERS))
    found = read(letter)
    assert isinstance(found, Letter)
    assert (found.cause, found.service, str(found.origin)) == ("not-a-json-object", "normalizer", "inlet.requests/3/17")
    assert found.event_id == "01a20c91-b66a-7716-9030-870c9f99e992"
    assert original(letter, 0).topic == topics.REQUESTS
    at = datetime(2026, 2, 1, 10, 0, 0, 123456, UTC)
    assert read(resolution) == Resolution(action="replayed", at=at, offsets=(17, 19))
