"""Events as the normalizer writes them."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from libs import topics
from libs.messages import BusinessEvent, Event, IntegrationRef
from libs.parameters import flatten
from tests.unit.exactly_once.records import MemoryRecord

NOW = datetime(2026, 1, 31, 9, 15, 30, 123_456, tzinfo=UTC)
HIGH: dict[str, object] = {"param": "body.priority", "type": "string", "operator": "EQUAL", "value": "high"}
EVENT_ID = "01947a3e-5b8c-7def-8123-456789abcdef"


def event(body: dict[str, object], *, integration: str = "i", event_id: str = EVENT_ID) -> Event:
    headers = {"x-form-id": "7"}
    return Event(
        id=event_id,
        workspace="w",
        integration=IntegrationRef(id=integration, name="Réclamations", version=3),
        received_at="2026-01-31T09:15:30.123456Z",
        headers=headers,
        body=body,
        parameters=flatten(headers, body),
    )


def record_of(event_: Event) -> MemoryRecord:
    return MemoryRecord(topic=topics.EVENTS, key=b"k", value=msgspec.json.encode(event_))


def business_event(
    id_: str,
    where: dict[str, object] = HIGH,
    *,
    integration: str = "i",
    state: Literal["active", "paused"] = "active",
    time_zone: str = "UTC",
) -> BusinessEvent:
    return BusinessEvent(
        id=id_,
        workspace="w",
        name=f"Ünusual {id_}",
        version=2,
        integration_id=integration,
        state=state,
        where=where,
        time_zone=time_zone,
    )
