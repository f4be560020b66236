"""The definitions topic as its readers see it, and what is on its way to it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from libs import topics
from libs.messages import Definition, Undecodable, decode_definition
from services.config.store.database import Database
from services.config.store.outbox import Outbox, Pending
from tests.integration.config.control_plane import settings

State = Definition | Undecodable | None


class DefinitionsTopic:
    """Everything that was published for each key, in order; None is a tombstone."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._history: dict[str, list[State]] = {}

    async def history(self, kind: str, identifier: str, length: int, *, within_s: float = 30) -> list[State]:
        """What was published for a key, as soon as it is `length` records.

        Raises:
            TimeoutError: they did not come in time.
        """
        key, deadline = f"{kind}/{identifier}", time.monotonic() + within_s
        while len(self._history.get(key, [])) < length:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._history.get(key, [])}, not {length} records")
            await self._read()
        return self._history[key]

    async def rest(self, kind: str, identifier: str) -> list[State]:
        """What was published for a key until now."""
        (partition,) = self._consumer.assignment()
        end = (await self._consumer.end_offsets([partition]))[partition]
        while await self._consumer.position(partition) < end:
            await self._read()
        return self._history.get(f"{kind}/{identifier}", [])

    async def _read(self) -> None:
        for batch in (await self._consumer.getmany(timeout_ms=200)).values():
            for record in batch:
                state = None if record.value is None else decode_definition(record.value)
                self._history.setdefault(record.key.decode(), []).append(state)


@asynccontextmanager
async def definitions_topic(bootstrap: str) -> AsyncIterator[DefinitionsTopic]:
    """The topic, created if it does not exist, read from its beginning without what was never committed."""
    await topics.ensure_topics(bootstrap, partitions=1)
    consumer = AIOKafkaConsumer(
        topics.DEFINITIONS,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        yield DefinitionsTopic(consumer)
    finally:
        await consumer.stop()


async def pending(folder: Path) -> list[Pending]:
    """The rows of the outbox, of the control plane with the database of `folder`."""
    database = Database(settings(folder).database)
    try:
        return (await Outbox(database).pending(1000))[1]
    finally:
        await database.close()
