"""Triggers as they are published, a readable line for each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer

from libs.clients import start_whole
from libs.escaping import escaped
from libs.messages import Event, Trigger
from libs.topics import TRIGGERS

_WIDTH: Final = 100


@asynccontextmanager
async def new_triggers(bootstrap: str) -> AsyncIterator[AsyncIterator[str]]:
    """Lines for the triggers that are published from now on and committed."""
    consumer = AIOKafkaConsumer(
        TRIGGERS,
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="latest",
        isolation_level="read_committed",
    )
    await start_whole(consumer.start, consumer.stop)
    try:
        # Without this a partition's "latest" is only looked up at its first fetch.
        await asyncio.gather(*(consumer.position(partition) for partition in consumer.assignment()))
        yield (line(record.value or b"") async for record in consumer)
    finally:
        await consumer.stop()


def line(value: bytes) -> str:
    """A trigger in one line: what matched, where it came from, and the beginning of its body."""
    try:
        trigger = msgspec.json.decode(value, type=Trigger)
        event = msgspec.json.decode(trigger.event, type=Event)
    except msgspec.MsgspecError as error:
        return f"trigger that cannot be read: {error}"
    body = msgspec.json.encode(event.body).decode(errors="replace")
    shown = body if len(body) <= _WIDTH else f"{body[:_WIDTH]}…"
    return escaped(f"trigger  {trigger.business_event.name} <- {event.integration.name}  {event.id}  {shown}")
