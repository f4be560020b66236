"""The pure decision about one request: its clean event, or why it can never have one."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from libs import topics
from libs.exactly_once.outcomes import TOO_LARGE, DeadLetter, Output, Record, timestamp_of
from libs.messages import DEFINITIONS_OFFSET, Event, RequestMetadata, decode_metadata
from libs.parameters import flatten

UNREADABLE_METADATA: Final = DeadLetter("unreadable-metadata")
NOT_AN_OBJECT: Final = DeadLetter("not-a-json-object")

# Leaves room for what Kafka and the trigger put around an event.
EVENT_LIMIT_BYTES: Final = topics.RECORD_LIMIT_BYTES - 128 * 1024

_BODY: Final = msgspec.json.Decoder(dict[str, object])
_EVENT: Final = msgspec.json.Encoder()


class CleanEvent(Struct, frozen=True):
    """An event ready to be written, unless `claim`, the hash of a deduplicated request, belongs to an earlier one."""

    output: Output
    claim: str | None


def normalize(record: Record) -> CleanEvent | DeadLetter:
    """Decide about one record of ``inlet.requests``."""
    try:
        metadata = decode_metadata([(name, value) for name, value in record.headers if value is not None])
        timestamp_ms = timestamp_of(datetime.fromisoformat(metadata.received_at), record)
        claim = (record.key or b"").decode("ascii") if metadata.deduplicated else None
        UUID(metadata.event_id)  # trigger ids are made from it
    except ValueError:
        return UNREADABLE_METADATA
    if claim == "":
        return UNREADABLE_METADATA
    try:
        body = _BODY.decode(record.value or b"")
    except (ValueError, RecursionError):
        return NOT_AN_OBJECT
    value = _encode(metadata, body)
    if len(value) > EVENT_LIMIT_BYTES:
        return TOO_LARGE
    return CleanEvent(
        output=Output(
            topic=topics.EVENTS,
            key=record.key,
            value=value,
            headers=[(DEFINITIONS_OFFSET, b"%d" % metadata.definitions_offset)],
            timestamp_ms=timestamp_ms,
        ),
        claim=claim,
    )


def _encode(metadata: RequestMetadata, body: dict[str, object]) -> bytes:
    # The body is written anew from the decoded document: of a repeated key only the value that was matched exists.
    return _EVENT.encode(
        Event(
            id=metadata.event_id,
            workspace=metadata.source.workspace,
            integration=metadata.source.integration,
            received_at=metadata.received_at,
            headers=metadata.headers,
            body=body,
            parameters=flatten(metadata.headers, body),
        )
    )
