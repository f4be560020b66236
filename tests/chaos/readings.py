"""What is on the topics, as the verifier needs it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
from aiokafka.structs import ConsumerRecord

from libs import topics
from libs.exactly_once.outcomes import CAUSE
from libs.messages import BusinessEvent, decode_definition, decode_metadata, definitions_offset
from tests.chaos.endpoints import injection_of, read_body
from tests.chaos.history import (
    BusinessEventSeen,
    DeadLetterSeen,
    EventSeen,
    Place,
    RequestSeen,
    Topics,
    TriggerSeen,
)
from tests.chaos.segments import aborted
from tests.consuming import read_all


class _Ref(msgspec.Struct):
    id: str


class _Event(msgspec.Struct, rename="camel"):
    id: str
    integration: _Ref
    body: msgspec.Raw
    request_id: str = ""


class _Trigger(msgspec.Struct, rename="camel"):
    id: str
    business_event: _Ref
    event: _Ref


async def read_topics(bootstrap: str, data: Path) -> Topics:
    """Everything, once the transactions that are open now have ended; `data` is the broker's data folder."""
    requests = [_request(record) for record in await read_all(bootstrap, topics.REQUESTS)]
    events = [_event(record) for record in await read_all(bootstrap, topics.EVENTS)]
    triggers = [_trigger(record) for record in await read_all(bootstrap, topics.TRIGGERS)]
    dead_letters = [_dead_letter(record) for record in await read_all(bootstrap, topics.DEAD_LETTERS)]
    return Topics(
        requests=requests,
        events=events,
        triggers=triggers,
        dead_letters=dead_letters,
        business_events=list(_business_events(await read_all(bootstrap, topics.DEFINITIONS))),
        aborted=frozenset(
            await asyncio.to_thread(aborted, data, topics.EVENTS)
            | await asyncio.to_thread(aborted, data, topics.TRIGGERS)
        ),
    )


def _place(record: ConsumerRecord) -> Place:
    return Place(record.topic, record.partition, record.offset)


def _request(record: ConsumerRecord) -> RequestSeen:
    event_id = decode_metadata(record.headers).event_id
    return RequestSeen(place=_place(record), event_id=event_id, attempt=read_body(record.value).attempt)


def _event(record: ConsumerRecord) -> EventSeen:
    event = msgspec.json.decode(record.value, type=_Event)
    sent = read_body(bytes(event.body))
    return EventSeen(
        place=_place(record),
        id=event.id,
        request_id=event.request_id or event.id,
        integration=event.integration.id,
        attempt=sent.attempt,
        group=sent.group,
        injection=sent.injection,
        definitions_offset=definitions_offset(record.headers),
    )


def _trigger(record: ConsumerRecord) -> TriggerSeen:
    trigger = msgspec.json.decode(record.value, type=_Trigger)
    return TriggerSeen(
        place=_place(record), id=trigger.id, event_id=trigger.event.id, business_event=trigger.business_event.id
    )


def _dead_letter(record: ConsumerRecord) -> DeadLetterSeen:
    cause = dict(record.headers)[CAUSE].decode()
    try:
        attempt = read_body(record.value).attempt
    except msgspec.MsgspecError:
        attempt = ""
    return DeadLetterSeen(place=_place(record), cause=cause, attempt=attempt)


def _business_events(records: list[ConsumerRecord]) -> Iterator[BusinessEventSeen]:
    """Each with the first offset at which it was published; a relay may repeat itself."""
    found: set[str] = set()
    for record in records:
        definition = decode_definition(record.value) if record.value is not None else None
        if isinstance(definition, BusinessEvent) and definition.id not in found:
            found.add(definition.id)
            yield BusinessEventSeen(
                id=definition.id,
                integration=definition.integration_id,
                offset=record.offset,
                injection=injection_of(definition.where),
            )
