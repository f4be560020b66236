"""Requests that end here, as their integration's owner is told of them. Those that become events go on."""

from uuid import UUID

from libs.activity import Dead, Dropped
from libs.exactly_once.outcomes import DeadLetter, Ended, Outcome, Record
from libs.messages import decode_metadata


def ended(record: Record, outcome: Outcome) -> Ended | None:
    """What is told of a duplicate or a dead letter; nothing of an event, or where the integration is not known."""
    if outcome and not isinstance(outcome, DeadLetter):
        return None
    try:
        metadata = decode_metadata([(name, value) for name, value in record.headers if value is not None])
        UUID(metadata.event_id)
    except ValueError:
        return None
    at = (metadata.event_id, record.offset, metadata.received_at)
    pointer = Dead(*at, outcome.cause) if isinstance(outcome, DeadLetter) else Dropped(*at)
    return Ended(metadata.source.integration.id, pointer)
