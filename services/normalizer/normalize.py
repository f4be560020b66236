"""The pure decision about one request: its clean event or events, or why it can never have one."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct

from libs import topics
from libs.batches import PARTS_LIMIT_BYTES, exceed_limit, parts_of
from libs.decoding import SteadyDecoder
from libs.deduplication import Hasher, scope_of_parts
from libs.exactly_once.outcomes import TOO_LARGE, DeadLetter, Output, Record, timestamp_of
from libs.identifiers import part_id
from libs.messages import DEFINITIONS_OFFSET, PART_HASH, Event, RequestMetadata, decode_metadata
from libs.parameters import flatten
from libs.replays import REPLAY_OF, origin_of

UNREADABLE_METADATA: Final = DeadLetter("unreadable-metadata")
NOT_AN_OBJECT: Final = DeadLetter("not-a-json-object")

# Leaves room for what Kafka and the trigger put around an event.
EVENT_LIMIT_BYTES: Final = topics.RECORD_LIMIT_BYTES - 128 * 1024

_BODY: Final = SteadyDecoder(dict[str, object])
_EVENT: Final = msgspec.json.Encoder()


class CleanEvent(Struct, frozen=True):
    """An event ready to be written, unless `claim`, its deduplication hash, belongs to an earlier one."""

    output: Output
    claim: str | None


def normalize(record: Record) -> Sequence[CleanEvent] | DeadLetter:
    """Decide about one record of ``inlet.requests``."""
    try:
        metadata = decode_metadata([(name, value) for name, value in record.headers if value is not None])
        timestamp_ms = timestamp_of(datetime.fromisoformat(metadata.received_at), record)
        claim = (record.key or b"").decode("ascii") if metadata.deduplicated else None
        UUID(metadata.event_id)  # other ids are made from it
        hasher = hasher_of(metadata.source.integration.id, metadata.batch.parameters) if metadata.batch else None
    except ValueError:
        return UNREADABLE_METADATA
    if claim == "":
        return UNREADABLE_METADATA
    try:
        body = _BODY.decode(record.value or b"")
    except (ValueError, RecursionError):
        return NOT_AN_OBJECT
    headers = [(DEFINITIONS_OFFSET, b"%d" % metadata.definitions_offset)]
    if (origin := origin_of(record.headers)) is not None:
        headers.append((REPLAY_OF, str(origin).encode()))

    def written(value: bytes, part_hash: str | None = None) -> Output:
        more = [(PART_HASH, part_hash.encode())] if part_hash else []
        return Output(
            topic=topics.EVENTS, key=record.key, value=value, headers=headers + more, timestamp_ms=timestamp_ms
        )

    if hasher is not None:
        return _split(metadata, body, hasher, written)
    value = _encode(metadata, body)
    return TOO_LARGE if len(value) > EVENT_LIMIT_BYTES else [CleanEvent(written(value), claim)]


@lru_cache(maxsize=1024)
def hasher_of(integration_id: str, parameters: tuple[str, ...]) -> Hasher:
    """The hashes of parts. They differ from all hashes of whole requests, whose records lie elsewhere.

    Raises:
        ValueError: a parameter is no path.
    """
    return Hasher(scope_of_parts(integration_id), parameters)


def _split(
    metadata: RequestMetadata, body: dict[str, object], hasher: Hasher, written: Callable[[bytes, str | None], Output]
) -> Sequence[CleanEvent] | DeadLetter:
    """The events of a request's parts, of equal ones the first: their common position could not tell them apart."""
    events: list[CleanEvent] = []
    claims: set[str] = set()
    total = 0
    if exceed_limit(metadata.headers, body):
        return TOO_LARGE  # without the work of finding out part by part
    for part in parts_of(body):
        value = _encode(metadata, part.body, part.place)
        total += len(value)  # also of what is then left out: to see that has its cost
        if len(value) > EVENT_LIMIT_BYTES or total > PARTS_LIMIT_BYTES:
            return TOO_LARGE
        claim = hasher(metadata.headers, part.body)
        if claim is None or claim not in claims:
            events.append(CleanEvent(written(value, claim), claim))
        if claim is not None:
            claims.add(claim)
    return events


def _encode(metadata: RequestMetadata, body: dict[str, object], place: str = "") -> bytes:
    # The body is written anew from the decoded document: of a repeated key only the value that was matched exists.
    return _EVENT.encode(
        Event(
            id=part_id(metadata.event_id, place) if place else metadata.event_id,
            request_id=metadata.event_id if place else UNSET,
            workspace=metadata.source.workspace,
            integration=metadata.source.integration,
            received_at=metadata.received_at,
            headers=metadata.headers,
            body=body,
            parameters=flatten(metadata.headers, body),
        )
    )
