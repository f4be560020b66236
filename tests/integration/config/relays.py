"""Relays as other processes run them, and what they have left to do and have done."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from libs.messages import BusinessEvent, Integration
from services.config.publisher import DefinitionsPublisher
from services.config.relay import Relay
from services.config.store.database import Database
from services.config.store.lock import RelayLock
from services.config.store.outbox import Outbox, Pending
from services.config.store.scope import Workspaces
from tests.eventually import eventually
from tests.integration.config.control_plane import settings
from tests.integration.config.topic import DefinitionsTopic, State, pending


async def outbox_is_empty(folder: Path) -> bool:
    return not await pending(folder)


def versions(history: list[State]) -> list[int | None]:
    return [state.version if isinstance(state, Integration | BusinessEvent) else None for state in history]


class HeldOutbox(Outbox):
    """One whose reader is frozen, as a process can be, after it has read and until it is let go."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.reads = asyncio.Semaphore(0)
        self.let_go = asyncio.Event()

    async def pending(self, limit: int) -> tuple[int, list[Pending]]:
        read = await super().pending(limit)
        self.reads.release()
        await self.let_go.wait()
        return read


@asynccontextmanager
async def relaying(
    folder: Path, kafka: str, *, lease_s: float = 20, outbox: type[Outbox] = Outbox
) -> AsyncIterator[tuple[DefinitionsPublisher, Outbox]]:
    """A relay of another process, as far as the database and Kafka can tell."""
    database, publisher = Database(settings(folder).database), DefinitionsPublisher(kafka)
    rows = outbox(database)
    workspaces, lock = Workspaces(database, lambda: datetime.now(UTC)), RelayLock(database, lease_s=lease_s)
    relay = asyncio.create_task(Relay(rows, publisher, workspaces, lock).run())
    try:
        yield publisher, rows
    finally:
        relay.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await relay
        await publisher.close()
        await database.close()


async def course(topic: DefinitionsTopic, kind: str, identifier: str, last: int | None) -> list[int | None]:
    """The versions on the topic once the last one is there. One that a relay has repeated at its end counts once."""

    async def has_arrived() -> bool:
        return versions(await topic.rest(kind, identifier))[-1:] == [last]

    await eventually(has_arrived)
    return [version for version, _ in groupby(versions(await topic.rest(kind, identifier)))]


async def become_active(publisher: DefinitionsPublisher, within_s: float = 30) -> None:
    async def is_active() -> bool:
        return publisher._producer is not None

    await eventually(is_active, within_s=within_s)


async def stand_by(publisher: DefinitionsPublisher) -> None:
    async def stands_by() -> bool:
        return publisher._producer is None

    await eventually(stands_by)
