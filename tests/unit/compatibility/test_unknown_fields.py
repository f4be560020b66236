"""Every decoder of ours passes over what a later release has added to its messages."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import fields

from libs import activity, messages, topics
from libs.activity import Dead, Dropped, IngressReport, Input, Matched, PipelineReport, Rejection, Repetition
from libs.exactly_once.outcomes import DeadLetter
from libs.messages import (
    ApiKey,
    Batch,
    BusinessEvent,
    Capture,
    Deduplication,
    DraftIntegration,
    Event,
    Integration,
    IntegrationRef,
    JwtAuth,
    MetaAuth,
    NoAuth,
    Position,
    RateLimit,
    RefusedSample,
    Sample,
    SigningKey,
    Source,
    Trigger,
    decode_definition,
)
from services.config.dead_letters.letters import Letter, Resolution, read
from services.normalizer.normalize import normalize
from services.trigger.matching import match
from services.trigger.rules import compile_rules
from tests.unit.compatibility.growing import grown
from tests.unit.config.dead_letters.test_letters import dead
from tests.unit.exactly_once.records import MemoryRecord

AT = "2026-01-31T09:15:30.123456Z"
TIME = datetime(2026, 1, 31, tzinfo=UTC)
ID = "01947a3e-5b8c-7def-8123-456789abcdef"
REF = IntegrationRef(id="i", name="I", version=3)
META = MetaAuth(app_secrets=("s",), verify_token="t", split_batches=True)
EVENT = Event(
    id=ID,
    request_id="r",
    workspace="w",
    integration=REF,
    received_at=AT,
    headers={"x": "1"},
    body={"a": {"b": 1}},
    parameters={"body.a.b": 1, "headers.x": "1"},
)
RULE = BusinessEvent(id="b", workspace="w", name="B", version=1, integration_id="i", state="active", where={"all": []})
TOLD = (
    Matched("e", 1, AT, 1, ("b",), "r"),
    Dropped("e", 2, AT),
    Dead("e", 3, AT, "too-large", "r"),
)
RECENT = (
    Repetition(id="e", at=AT, inputs=(Input(parameter="body.a", value=1),), owner=Position(1, 2)),
    Rejection(id="e", at=AT, status=401, reason="no token"),
)
DEFINITIONS = (
    Integration(
        id="i",
        workspace="w",
        name="I",
        version=3,
        auth=META,
        deduplication=Deduplication(parameters=("body.a",)),
        rate_limit=RateLimit(per_second=1, burst=1),
    ),
    Integration(id="i", workspace="w", name="I", version=3, auth=NoAuth()),
    DraftIntegration(id="i", workspace="w", name="I", version=3, auth=JwtAuth(api_key_id="k")),
    Capture(id="i", generation=1, expires_at=TIME),
    ApiKey(id="k", workspace="w", permissions=("p",), expires_at=TIME, allowed_ips=("10.0.0.0/8",)),
    SigningKey(id="k", workspace="w", public_key="PEM"),
    RULE,
)
SAMPLES = (
    Sample(integration_id="i", generation=1, received_at=AT, headers={"x": "1"}, body=msgspec.Raw(b'{"a":1}')),
    RefusedSample(integration_id="i", generation=1, received_at=AT, status=401, reason="no token"),
)
REPORTS = (
    IngressReport(integration_id="i", at=1, accepted=1, duplicates=2, rejected=3, recent=RECENT),
    PipelineReport(topic="t", partition=1, ended={"i": TOLD}),
)
OTHERS = (
    EVENT,
    Trigger(id="t", business_event=messages.BusinessEventRef(id="b", name="B", version=1), event=msgspec.Raw(b"{}")),
    Source(workspace="w", integration=REF),
    Batch(parameters=("body.a",)),
)
RESOLUTION = Resolution(action="discarded", at=TIME, offsets=(1, 2))

NAMES = st.text(min_size=1).map(lambda name: f"later-{name}")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def kinds_in(value: object) -> set[type]:
    """The kinds of the message and of everything in it."""
    match value:
        case Struct():
            return {type(value)}.union(*(kinds_in(getattr(value, field.name)) for field in fields(value)))
        case tuple():
            return set[type]().union(*map(kinds_in, value))
        case dict():
            return set[type]().union(*map(kinds_in, value.values()))
        case _:
            return set()


def test_every_message_there_is_is_tried() -> None:
    written = {
        one
        for module in (messages, activity)
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Struct) and one.__module__ == module.__name__
    }
    no_messages = {messages.Message, messages._Integration, messages.Undecodable, messages.RequestMetadata}
    assert kinds_in((*DEFINITIONS, *SAMPLES, *REPORTS, *OTHERS)) == written - no_messages


@settings(deadline=None)
@given(NAMES, JSON)
def test_a_field_that_is_not_known_changes_no_message(name: str, later: object) -> None:
    for definition in DEFINITIONS:
        assert decode_definition(grown(definition, name, later)) == definition
    for report in REPORTS:
        assert activity.decode_report(grown(report, name, later)) == report
    for message in (*SAMPLES, *OTHERS, RESOLUTION):
        again = msgspec.json.decode(grown(message, name, later), type=type(message))
        assert msgspec.json.encode(again) == msgspec.json.encode(message)


def request(*, later: bool) -> MemoryRecord:
    source = Source(workspace="w", integration=REF)
    headers = {
        messages.EVENT_ID: ID.encode(),
        messages.RECEIVED_AT: AT.encode(),
        messages.SOURCE: grown(source) if later else msgspec.json.encode(source),
        messages.HEADERS: b'{"x":"1"}',
    }
    return MemoryRecord(headers=[*headers.items(), *([("inlet-later", b"\xff")] if later else [])])


def test_requests_of_a_later_release_become_the_same_events() -> None:
    assert normalize(request(later=True)) == normalize(request(later=False))


def test_events_of_a_later_release_trigger_the_same_and_are_passed_on_with_what_is_not_known() -> None:
    matchers = {"i": compile_rules([RULE])}
    (known,), (later,) = (
        outputs
        for value in (msgspec.json.encode(EVENT), grown(EVENT))
        if not isinstance(
            outputs := match(matchers, MemoryRecord(topic=topics.EVENTS, value=value)).outcome, DeadLetter
        )
    )
    assert (later.key, later.headers, later.timestamp_ms) == (known.key, known.headers, known.timestamp_ms)
    assert grown(EVENT) in (later.value or b"")


@pytest.mark.parametrize("topic", [topics.REQUESTS, topics.EVENTS])
def test_dead_letters_of_a_later_release_are_known_by_what_they_say(topic: str) -> None:
    letter = dead([*request(later=True).headers], topic=topic)
    letter.value = grown(EVENT)
    found = read(letter)
    assert isinstance(found, Letter)
    assert (found.cause, found.event_id, found.integration) == ("too-large", ID, REF)
