"""Finding an event: by the pointer to it, or by the time in its id; and what its record says."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from aiokafka.structs import ConsumerRecord
from msgspec import UNSET, Struct

from libs import topics
from libs.decoding import SteadyDecoder
from libs.identifiers import time_ms_of
from libs.messages import BusinessEventRef, Event, IntegrationRef, decode_metadata
from libs.parameters import flatten
from services.config.entries import Place
from services.config.records import Records, Wanted

# Clocks differ, and records of a partition come in the order in which they were stored.
_BEFORE_MS: Final = 5_000
_AFTER_MS: Final = 15_000
_TRIGGERS_LIMIT: Final = 200
_PARTS_LIMIT: Final = 100


class _Identified(Struct, frozen=True, rename="camel"):
    id: str
    request_id: str | None = None


class _Trigger(Struct, frozen=True, rename="camel"):
    business_event: BusinessEventRef
    event: _Identified


_EVENT: Final = SteadyDecoder(Event)
_IDENTIFIED: Final = msgspec.json.Decoder(_Identified)
_TRIGGER: Final = msgspec.json.Decoder(_Trigger)
_BODY: Final = SteadyDecoder(dict[str, object])


class Sighting(Struct, frozen=True, kw_only=True):
    """An event, or a request that became none, as its record shows it, and where that is.

    `request_id` is that of the request that an event is a part of. `timestamp_ms` is the record's.
    """

    id: str
    request_id: str | None
    workspace: str
    integration: IntegrationRef
    received_at: datetime
    headers: Mapping[str, str]
    body: Mapping[str, object]
    parameters: Mapping[str, object]
    place: Place
    timestamp_ms: int


class Sightings:
    """Looks for events on the topics. Every call raises `UnavailableError` when Kafka does not answer."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def at(self, place: Place) -> Sighting | None:
        """What is at a place; None if it is gone, or is nothing that can be read."""
        record = await self._records.at(place)
        return None if record is None else await asyncio.to_thread(_sighting, record)

    async def find(self, event_id: str) -> Sighting | None:
        """The event of an id that carries its time, among those of about that time; or a part of that request."""
        ms = time_ms_of(event_id)
        if ms is None:
            return None
        wanted = Wanted(
            topic=topics.EVENTS,
            since_ms=max(0, ms - _BEFORE_MS),
            until_ms=ms + _AFTER_MS,
            text=event_id.encode(),
            check=lambda value: event_id in _ids_of(value),
        )
        for record in await self._records.search(wanted):
            return await asyncio.to_thread(_sighting, record)
        return None

    async def parts_of(self, request_id: str, part: Sighting) -> list[str]:
        """The ids of the first events of a request that was split; `part` is one of them."""
        wanted = Wanted(
            topic=topics.EVENTS,
            since_ms=part.timestamp_ms,
            until_ms=part.timestamp_ms + _AFTER_MS,
            text=request_id.encode(),
            check=lambda value: request_id in _ids_of(value),
            partition=part.place.partition,
            limit=_PARTS_LIMIT,
        )
        found = await self._records.search(wanted)
        return list(dict.fromkeys(_IDENTIFIED.decode(record.value).id for record in found))

    async def matches(self, event: Sighting) -> list[BusinessEventRef]:
        """The Business Events that an event has matched, as its triggers tell; none also where there are none yet."""
        wanted = Wanted(
            topic=topics.TRIGGERS,
            since_ms=event.timestamp_ms,
            until_ms=event.timestamp_ms + _AFTER_MS,
            text=event.id.encode(),
            check=lambda value: _event_id_of_trigger(value) == event.id,
            partition=event.place.partition,
            limit=_TRIGGERS_LIMIT,
        )
        return [_TRIGGER.decode(record.value).business_event for record in await self._records.search(wanted)]


def _ids_of(value: bytes) -> tuple[str | None, ...]:
    """The id of an event, and of the request that it is a part of."""
    try:
        event = _IDENTIFIED.decode(value)
    except (ValueError, RecursionError):
        return ()
    return event.id, event.request_id


def _event_id_of_trigger(value: bytes) -> str | None:
    try:
        return _TRIGGER.decode(value).event.id
    except (ValueError, RecursionError):
        return None


def _sighting(record: ConsumerRecord) -> Sighting | None:
    try:
        return _of_event(record) if record.topic == topics.EVENTS else _of_request(record)
    except (ValueError, RecursionError):
        return None


def _of_event(record: ConsumerRecord) -> Sighting:
    event = _EVENT.decode(record.value or b"")
    return Sighting(
        id=event.id,
        request_id=None if event.request_id is UNSET else event.request_id,
        workspace=event.workspace,
        integration=event.integration,
        received_at=_instant(event.received_at),
        headers=event.headers,
        body=event.body,
        parameters=event.parameters,
        place=Place(record.topic, record.partition, record.offset),
        timestamp_ms=record.timestamp,
    )


def _of_request(record: ConsumerRecord) -> Sighting:
    metadata = decode_metadata([(name, value) for name, value in record.headers if value is not None])
    body = _BODY.decode(record.value or b"")
    return Sighting(
        id=metadata.event_id,
        request_id=None,
        workspace=metadata.source.workspace,
        integration=metadata.source.integration,
        received_at=_instant(metadata.received_at),
        headers=metadata.headers,
        body=body,
        parameters=flatten(metadata.headers, body),
        place=Place(record.topic, record.partition, record.offset),
        timestamp_ms=record.timestamp,
    )


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("no time zone")
    return at
