"""The messages as the first release, and whoever was written against it, reads them. Frozen: never change a field.

These are the shapes that `docs/consuming.md` showed, and the decoders that its services had.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct


class Message(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class IntegrationRef(Message, frozen=True, kw_only=True):
    id: str
    name: str
    version: int


class Source(Message, frozen=True, kw_only=True):
    workspace: str
    integration: IntegrationRef


class Event(Message, frozen=True, kw_only=True):
    id: str
    workspace: str
    integration: IntegrationRef
    received_at: str
    headers: dict[str, str]
    body: dict[str, object]
    parameters: dict[str, object]


class BusinessEventRef(Message, frozen=True, kw_only=True):
    id: str
    name: str
    version: int


class Trigger(Message, frozen=True, kw_only=True):
    id: str
    business_event: BusinessEventRef
    event: Event


class NoAuth(Message, frozen=True, kw_only=True):
    kind: Literal["none"]


class Deduplication(Message, frozen=True, kw_only=True):
    parameters: tuple[str, ...]
    on_redis_down: Literal["reject", "accept"] = "reject"


class Integration(Message, frozen=True, kw_only=True, tag_field="kind", tag="integration"):
    id: str
    workspace: str
    name: str
    version: int
    auth: NoAuth
    deduplication: Deduplication | None = None


class BusinessEvent(Message, frozen=True, kw_only=True, tag_field="kind", tag="business-event"):
    id: str
    workspace: str
    name: str
    version: int
    integration_id: str
    state: Literal["active", "paused"]
    where: dict[str, object]
    time_zone: str = "UTC"


class RequestMetadata(Struct, frozen=True, kw_only=True):
    event_id: str
    received_at: str
    source: Source
    headers: dict[str, str]
    deduplicated: bool
    definitions_offset: int


def read_definition(value: bytes) -> Integration | BusinessEvent | None:
    """None where that release said that it could not read it."""
    try:
        return msgspec.json.decode(value, type=Integration | BusinessEvent)
    except msgspec.MsgspecError:
        return None


def read_metadata(kafka_headers: Iterable[tuple[str, bytes | None]]) -> RequestMetadata:
    found = {name: value for name, value in kafka_headers if value is not None}
    return RequestMetadata(
        event_id=found["inlet-event-id"].decode("ascii"),
        received_at=found["inlet-received-at"].decode("ascii"),
        source=msgspec.json.decode(found["inlet-source"], type=Source),
        headers=msgspec.json.decode(found["inlet-headers"], type=dict[str, str]),
        deduplicated="inlet-deduplicated" in found,
        definitions_offset=int(found["inlet-definitions-offset"]),
    )


def read_cause(kafka_headers: Iterable[tuple[str, bytes | None]]) -> Mapping[str, str]:
    """What a dead letter says of itself."""
    names = {"inlet-cause", "inlet-service", "inlet-topic", "inlet-partition", "inlet-offset"}
    return {name: (value or b"").decode() for name, value in kafka_headers if name in names}
