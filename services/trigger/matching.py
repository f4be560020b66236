"""The pure decision about one event: the triggers that the Business Events of its integration ask for."""

from datetime import datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec import Struct

from libs import topics
from libs.activity import MATCHES_LIMIT, Dead, Matched
from libs.decoding import SteadyDecoder
from libs.exactly_once.outcomes import (
    TOO_COSTLY,
    TOO_LARGE,
    DeadLetter,
    Decision,
    Ended,
    Headers,
    Output,
    Record,
    timestamp_of,
)
from libs.filters import TooCostlyError
from libs.identifiers import trigger_id
from libs.messages import BusinessEventRef, Trigger
from services.trigger.rules import Matchers

MALFORMED_EVENT: Final = DeadLetter("malformed-event")

# Leaves room for what Kafka puts around a trigger.
TRIGGER_LIMIT_BYTES: Final = topics.RECORD_LIMIT_BYTES - 64 * 1024
# All triggers of one event are one transaction, which has to be written in time on a slow machine too.
TRIGGERS_LIMIT_BYTES: Final = 64 * 1024 * 1024


class _Integration(Struct, frozen=True):
    id: str


class _Event(Struct, frozen=True, rename="camel"):
    """What matching needs of an event; the parameters, which repeat the rest, are skipped."""

    id: str
    integration: _Integration
    received_at: str
    headers: dict[str, str]
    body: dict[str, object]
    request_id: str | None = None


_EVENT: Final = SteadyDecoder(_Event)
_TRIGGER: Final = msgspec.json.Encoder()


def match(matchers: Matchers, record: Record) -> Decision:
    """Decide about one record of ``inlet.events``: one trigger for each match, in the order of the matcher."""
    value = record.value or b""
    try:
        event = _EVENT.decode(value)
        value.decode()  # what the decoder skipped is published too
        received_at = datetime.fromisoformat(event.received_at)
        timestamp_ms = timestamp_of(received_at, record)
        event.received_at.encode("ascii")
        UUID(event.id)
    except (ValueError, RecursionError):
        return Decision(MALFORMED_EVENT)
    rules = matchers.get(event.integration.id)
    # The time of receipt, not of matching: a repetition must come to the same result.
    try:
        matched = rules.matcher.match(event.body, event.headers, received_at) if rules is not None else []
    except TooCostlyError:
        return _dead(TOO_COSTLY, event, record)
    if len(matched) * len(value) > TRIGGERS_LIMIT_BYTES:
        return _dead(TOO_LARGE, event, record)
    outputs = [
        Output(
            topic=topics.TRIGGERS,
            key=record.key,
            value=_TRIGGER.encode(
                Trigger(id=trigger_id(event.id, ref.id), business_event=ref, event=msgspec.Raw(value))
            ),
            headers=_cloud_event(event, ref),
            timestamp_ms=timestamp_ms,
        )
        for ref in matched
    ]
    if any(len(output.value or b"") > TRIGGER_LIMIT_BYTES for output in outputs):
        return _dead(TOO_LARGE, event, record)
    named = tuple([ref.id for ref in matched[:MATCHES_LIMIT]])
    pointer = Matched(event.id, record.offset, event.received_at, len(matched), named, event.request_id)
    return Decision(outputs, Ended(event.integration.id, pointer))


def _dead(letter: DeadLetter, event: _Event, record: Record) -> Decision:
    pointer = Dead(event.id, record.offset, event.received_at, letter.cause, event.request_id)
    return Decision(letter, Ended(event.integration.id, pointer))


def _cloud_event(event: _Event, ref: BusinessEventRef) -> Headers:
    """The attributes of CloudEvents 1.0 in the binary mode of its Kafka binding."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", trigger_id(event.id, ref.id).encode()),
        ("ce_source", b"/integrations/" + quote(event.integration.id, safe="").encode()),
        ("ce_type", b"inlet.trigger"),
        ("ce_subject", quote(ref.id, safe="").encode()),
        ("ce_time", event.received_at.encode()),
        ("content-type", b"application/json"),
    )
