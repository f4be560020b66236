"""The workspace boundary: what authors configured, reachable only as the rows of one workspace.

The transaction of a change writes the definition and its record for the topic together. Order guarantee:

1. A change first locks its workspace: the row on PostgreSQL, the database on SQLite.
2. It reads, decides and writes the definition.
3. It writes the outbox row, whose id comes from a sequence. Under the lock, ids follow the order of commits.
4. It commits, and only then lets the next change of the workspace in.
5. The relay publishes rows in the order of their ids to the one partition of the topic, and deletes a row only
   once Kafka has acknowledged it (see `services.config.relay`).

So the records of one definition reach the topic in the order of its changes, none is left out, and the last of
them is the stored state.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import msgspec
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Table, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs import messages
from services.config.definitions import BusinessEvent, Integration, business_event_message, integration_message, same
from services.config.identity import Workspace
from services.config.store import schema
from services.config.store.database import Database

RowT = TypeVar("RowT", Integration, BusinessEvent)


class Rows(Generic[RowT]):
    """The rows of one kind in one workspace; the fields of the struct are the columns of the table."""

    def __init__(self, connection: AsyncConnection, workspace_id: str, kind: type[RowT], table: Table) -> None:
        self._connection = connection
        self._workspace_id = workspace_id
        self._kind: type[RowT] = kind
        self._table = table
        self._columns = [table.c[name] for name in kind.__struct_fields__]

    async def get(self, row_id: str) -> RowT | None:
        rows = await self._connection.execute(select(*self._columns).where(self._is(row_id)))
        row = rows.one_or_none()
        return None if row is None else self._kind(**row._asdict())

    async def newest(self, limit: int, *, before: str | None = None, **matching: str) -> list[RowT]:
        """The newest rows, those created before the row `before`, with these values in these columns."""
        query = select(*self._columns).where(self._mine).order_by(self._table.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(self._table.c.id < before)
        for name, value in matching.items():
            query = query.where(self._table.c[name] == value)
        rows = await self._connection.execute(query)
        return [self._kind(**row._asdict()) for row in rows]

    async def all(self) -> list[RowT]:
        rows = await self._connection.execute(select(*self._columns).where(self._mine))
        return [self._kind(**row._asdict()) for row in rows]

    async def add(self, row: RowT) -> None:
        values = {**asdict(row), "workspace_id": self._workspace_id}
        await self._connection.execute(insert(self._table).values(values))

    async def replace(self, row: RowT) -> None:
        await self._connection.execute(update(self._table).where(self._is(row.id)).values(asdict(row)))

    async def remove(self, row_id: str) -> None:
        await self._connection.execute(delete(self._table).where(self._is(row_id)))

    @property
    def _mine(self) -> ColumnElement[bool]:
        return self._table.c.workspace_id == self._workspace_id

    def _is(self, row_id: str) -> ColumnElement[bool]:
        return and_(self._mine, self._table.c.id == row_id)


class Scope:
    """One workspace in one transaction."""

    def __init__(self, connection: AsyncConnection, workspace: Workspace) -> None:
        self.workspace = workspace
        self.integrations = Rows(connection, workspace.id, Integration, schema.integrations)
        self.business_events = Rows(connection, workspace.id, BusinessEvent, schema.business_events)
        self._connection = connection

    async def live(self) -> list[messages.Definition]:
        """Everything that the other services shall know."""
        published = [integration_message(self.workspace, one) for one in await self.integrations.all()]
        events = [business_event_message(self.workspace, one) for one in await self.business_events.all()]
        return [*(message for message in published if message is not None), *events]

    async def announce(self, before: messages.Definition | None, after: messages.Definition | None) -> None:
        """Tell the other services what has become of a definition; None is what they shall not know."""
        definition = after or before
        if definition is None or same(before, after):
            return
        await self._connection.execute(
            insert(schema.outbox).values(
                key=messages.definition_key(definition).decode(),
                value=None if after is None else msgspec.json.encode(after).decode(),
            )
        )


class Workspaces:
    """The way into a workspace. `committed` is set after every change."""

    def __init__(self, database: Database) -> None:
        self.committed = asyncio.Event()
        self._database = database

    @asynccontextmanager
    async def reading(self, workspace_id: str) -> AsyncIterator[Scope]:
        async with self._database.reading() as connection:
            yield Scope(connection, await _workspace(connection, workspace_id, lock=False))

    @asynccontextmanager
    async def changing(self, workspace_id: str) -> AsyncIterator[Scope]:
        """Everything in it is stored when it ends, or nothing if it raises. One at a time in each workspace."""
        async with self._database.writing() as connection:
            yield Scope(connection, await _workspace(connection, workspace_id, lock=True))
        self.committed.set()

    async def announce_all(self) -> int:
        """Announce everything that is live once more, of all workspaces at once; how many definitions that was.

        Without those that wait in the outbox anyway: the last record of each key there is the stored state.
        """
        count = 0
        async with self._database.writing() as connection:
            ids = await connection.scalars(select(schema.workspaces.c.id).order_by(schema.workspaces.c.id))
            for workspace_id in ids.all():
                scope = Scope(connection, await _workspace(connection, workspace_id, lock=True))
                waiting = set(await connection.scalars(select(schema.outbox.c.key)))
                for definition in await scope.live():
                    if messages.definition_key(definition).decode() not in waiting:
                        await scope.announce(None, definition)
                        count += 1
        return count


async def _workspace(connection: AsyncConnection, workspace_id: str, *, lock: bool) -> Workspace:
    table = schema.workspaces
    query = select(table.c.id, table.c.name, table.c.time_zone).where(table.c.id == workspace_id)
    rows = await connection.execute(query.with_for_update(key_share=True) if lock else query)
    return Workspace(**rows.one()._asdict())
