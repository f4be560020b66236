import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from libs import topics
from libs.bodies import BODY_BYTES_LIMIT, LEAVES_LIMIT, PATH_BYTES_LIMIT, BodyError, decode_body
from libs.exactly_once.outcomes import TOO_LARGE, DeadLetter, Record
from libs.messages import Event, IntegrationRef, Source, ascii_json, definitions_offset, encode_metadata
from libs.parameters import flatten, join
from services.normalizer.normalize import (
    EVENT_LIMIT_BYTES,
    NOT_AN_OBJECT,
    UNREADABLE_METADATA,
    CleanEvent,
    normalize,
)
from tests.unit.exactly_once.records import MemoryRecord
from tests.unit.libs.documents import BODIES, HEADERS

EVENT_ID = "01947a3e-5b8c-7def-8123-456789abcdef"
RECEIVED_AT = "2026-01-31T09:15:30.123456Z"
SOURCE = Source(workspace="w", integration=IntegrationRef(id="i", name="Réclamations", version=3))


DEFINITIONS_SEEN = 41


def test_an_event_says_how_far_the_ingress_knew_the_definitions() -> None:
    assert definitions_offset(clean(request(b"{}")).output.headers) == DEFINITIONS_SEEN


def request(
    body: bytes,
    *,
    headers: dict[str, str] | None = None,
    key: bytes | None = EVENT_ID.encode(),
    event_id: str = EVENT_ID,
    received_at: str = RECEIVED_AT,
    deduplicated: bool = False,
) -> MemoryRecord:
    metadata = encode_metadata(
        event_id=event_id,
        received_at=received_at,
        source=ascii_json(SOURCE),
        headers=headers or {},
        deduplicated=deduplicated,
        definitions_offset=DEFINITIONS_SEEN,
    )
    return MemoryRecord(key=key, value=body, headers=metadata)


def clean(record: Record) -> CleanEvent:
    decision = normalize(record)
    assert not isinstance(decision, DeadLetter)
    (event,) = decision
    return event


def event(record: Record) -> Event:
    return msgspec.json.decode(clean(record).output.value or b"", type=Event)


@given(BODIES, HEADERS)
def test_an_event_is_the_request_and_its_parameters(body: dict[str, object], headers: dict[str, str]) -> None:
    assert event(request(msgspec.json.encode(body), headers=headers)) == Event(
        id=EVENT_ID,
        workspace="w",
        integration=SOURCE.integration,
        received_at=RECEIVED_AT,
        headers=headers,
        body=body,
        parameters=flatten(headers, body),
    )


@given(st.binary(max_size=100))
def test_it_decides_about_any_bytes(body: bytes) -> None:
    decision = normalize(request(body))
    assert isinstance(decision, list) or decision == NOT_AN_OBJECT


def test_the_event_keeps_the_key_and_the_time_of_its_request() -> None:
    output = clean(request(b"{}", key=b"k")).output
    assert (output.topic, output.key, output.timestamp_ms) == (topics.EVENTS, b"k", 1_769_850_930_123)


def test_of_a_repeated_key_only_the_last_value_exists() -> None:
    record = request(b'{"a": 1, "a": {"b": 2}}')
    assert (event(record).body, event(record).parameters) == ({"a": {"b": 2}}, {"body.a.b": 2, "headers": {}})
    assert (clean(record).output.value or b"").count(b'"a":') == 1


def test_integers_of_any_size_are_exact_and_control_characters_survive() -> None:
    body = b'{"n": 123456789012345678901234567890, "t": "\\u0000"}'
    assert event(request(body)).body == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b'{"a": NaN}',
        b'{"a": 1e400}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
)
def test_a_body_that_is_no_json_object_is_a_dead_letter(body: bytes) -> None:
    assert normalize(request(body)) == NOT_AN_OBJECT


def test_a_record_without_a_value_is_a_dead_letter() -> None:
    record = MemoryRecord(key=b"k", value=None, headers=request(b"").headers)
    assert normalize(record) == NOT_AN_OBJECT


@pytest.mark.parametrize("missing", range(4))
def test_a_record_without_its_metadata_is_a_dead_letter(missing: int) -> None:
    headers = [header for number, header in enumerate(request(b"{}").headers) if number != missing]
    assert normalize(MemoryRecord(headers=headers)) == UNREADABLE_METADATA


@pytest.mark.parametrize("value", [None, b"\xff", b"{}", b"2026-01-31T09:15:30"])
@pytest.mark.parametrize("spoilt", range(3))
def test_metadata_that_cannot_be_read_is_a_dead_letter(spoilt: int, value: bytes | None) -> None:
    headers = list(request(b"{}").headers)
    headers[spoilt] = (headers[spoilt][0], value)
    assert normalize(MemoryRecord(headers=headers)) == UNREADABLE_METADATA


def test_an_event_id_that_makes_no_trigger_id_is_a_dead_letter() -> None:
    assert normalize(request(b"{}", event_id="event-1")) == UNREADABLE_METADATA


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_deduplicated_request_needs_its_hash_as_the_key(key: bytes | None) -> None:
    assert normalize(request(b"{}", key=key, deduplicated=True)) == UNREADABLE_METADATA


def test_the_hash_of_a_deduplicated_request_is_claimed_and_no_other() -> None:
    assert clean(request(b"{}", key=b"abc", deduplicated=True)).claim == "abc"
    assert clean(request(b"{}", key=b"abc")).claim is None


def test_an_event_may_be_as_large_as_the_limit_and_no_larger() -> None:
    empty = len(clean(request(b'{"t":""}')).output.value or b"")
    room = EVENT_LIMIT_BYTES - empty
    fitting = normalize(request(b'{"t":"%s"}' % (b"x" * (room // 2))))
    assert isinstance(fitting, list)
    assert normalize(request(b'{"t":"%s"}' % (b"x" * (room // 2 + 1)))) == TOO_LARGE == DeadLetter("too-large")


_HEADERS_LIMIT_CHARACTERS = 64 * 1024
# The two worst shapes that headers can have: many of them, and characters of six bytes.
MANY_HEADERS = {f".{number:05x}": "" for number in range(_HEADERS_LIMIT_CHARACTERS // 6)}
LONG_HEADERS = {"x": "\x01" * (_HEADERS_LIMIT_CHARACTERS - 1)}


@settings(max_examples=25, deadline=None)
@given(
    st.text(st.sampled_from('a.\\"\x01é\u2028\N{GRINNING FACE}'), min_size=1, max_size=5),
    st.integers(1, 300) | st.integers(1, 20_000),
    st.sampled_from([b"0", b"1e15", b"-1e-5", b"{}", b'"\\u0001"', '"\N{GRINNING FACE}"'.encode()]),
    st.sampled_from([0, 1]),
    st.sampled_from([MANY_HEADERS, LONG_HEADERS]),
)
@example("\N{GRINNING FACE}", 1_000, b"0", -1, MANY_HEADERS)
@example("\x01", 1_000, b"0", -1, MANY_HEADERS)
@example(".", 30, b"1e15", 0, MANY_HEADERS)
def test_the_event_of_a_body_that_passed_the_ingress_is_never_too_large(
    text: str, times: int, leaf: bytes, beyond: int, headers: dict[str, str]
) -> None:
    """Bodies at the limits on size and on paths, and just beyond; of those that fit none is a dead letter."""
    key = msgspec.json.encode(text * times)
    path_bytes = len(msgspec.json.encode(f"body.{join([text * times])}.10000"))
    leaves = 8_000 if beyond < 0 else min(LEAVES_LIMIT - 1, PATH_BYTES_LIMIT // path_bytes + beyond)
    raw = b'{%s:[%s],"rest":"' % (key, b",".join([leaf] * leaves))
    raw += b"x" * (BODY_BYTES_LIMIT - len(raw) - len(b'"}')) + b'"}'
    with suppress(BodyError):
        decode_body(raw)
        assert isinstance(normalize(request(raw, headers=headers)), list)
