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
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Table, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from libs import messages
from libs.identifiers import new_event_id
from services.config.audit import Audited, AuditEntry, differences, subject_kind
from services.config.definitions import (
    ApiKey,
    BusinessEvent,
    Capture,
    Clock,
    Definition,
    Integration,
    SigningKey,
    messages_of,
)
from services.config.identity import Identity, User, Workspace
from services.config.store import schema
from services.config.store.database import Database

RowT = TypeVar("RowT", Integration, BusinessEvent, ApiKey, SigningKey, Capture, User, AuditEntry)
Stored = Definition | User

_SYSTEM: Final = "system"
_TABLES: Final[Mapping[type[object], Table]] = {
    Integration: schema.integrations,
    BusinessEvent: schema.business_events,
    ApiKey: schema.api_keys,
    SigningKey: schema.signing_keys,
    Capture: schema.captures,
    User: schema.users,
}


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

    async def some(self, row_ids: Collection[str]) -> list[RowT]:
        """Those of these rows that there are."""
        query = select(*self._columns).where(self._mine, self._table.c.id.in_(row_ids))
        rows = await self._connection.execute(query)
        return [self._kind(**row._asdict()) for row in rows]

    async def newest(self, limit: int, *, before: str | None = None, **matching: str) -> list[RowT]:
        """The newest rows, those created before the row `before`, with these values in these columns."""
        query = select(*self._columns).where(self._mine).order_by(self._table.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(self._table.c.id < before)
        for name, value in matching.items():
            query = query.where(self._table.c[name] == value)
        rows = await self._connection.execute(query)
        return [self._kind(**row._asdict()) for row in rows]

    async def all(self, **matching: str) -> list[RowT]:
        query = select(*self._columns).where(self._mine, *(self._table.c[name] == matching[name] for name in matching))
        rows = await self._connection.execute(query.order_by(self._table.c.id))
        return [self._kind(**row._asdict()) for row in rows]

    @property
    def _mine(self) -> ColumnElement[bool]:
        return self._table.c.workspace_id == self._workspace_id

    def _is(self, row_id: str) -> ColumnElement[bool]:
        return and_(self._mine, self._table.c.id == row_id)


class Scope:
    """One workspace in one transaction."""

    def __init__(self, connection: AsyncConnection, workspace: Workspace, by: Identity | None, now: datetime) -> None:
        self.connection = connection
        self.workspace = workspace
        self.now = now
        self.integrations = Rows(connection, workspace.id, Integration, schema.integrations)
        self.business_events = Rows(connection, workspace.id, BusinessEvent, schema.business_events)
        self.api_keys = Rows(connection, workspace.id, ApiKey, schema.api_keys)
        self.signing_keys = Rows(connection, workspace.id, SigningKey, schema.signing_keys)
        self.captures = Rows(connection, workspace.id, Capture, schema.captures)
        self.users = Rows(connection, workspace.id, User, schema.users)
        self.audit_log = Rows(connection, workspace.id, AuditEntry, schema.audit_log)
        self._by = by

    async def live(self) -> list[messages.Definition]:
        """Everything that the other services shall know."""
        stored: list[Definition] = [
            *await self.signing_keys.all(),
            *await self.api_keys.all(),
            *await self.integrations.all(),
            *await self.business_events.all(),
            *(one for one in await self.captures.all() if one.expires_at > self.now),
        ]
        return [message for definition in stored for message in messages_of(self.workspace, definition)]

    async def store(self, action: str, before: Stored | None, after: Stored | None) -> None:
        """Put `after` in the place of `before`, None being nothing; tell the other services, and the audit log."""
        await self._write(before, after)
        await self._announce(messages_of(self.workspace, before), messages_of(self.workspace, after))
        await self._record(action, before, after)

    async def reseal(self, pairs: Sequence[tuple[Definition, Definition]]) -> None:
        """Put the second of each pair in the place of the first, which says the same and is sealed with another key.

        Nobody has changed anything that was configured, so the audit log has one entry for all: of the workspace.
        """
        for before, after in pairs:
            await self._write(before, after)
            await self._announce(messages_of(self.workspace, before), messages_of(self.workspace, after))
        if pairs:
            await self._record("resealed", self.workspace, self.workspace)

    async def store_workspace(self, after: Workspace) -> None:
        """As `store`, for the workspace itself; its Business Events are told again where they are told otherwise."""
        before, self.workspace = self.workspace, after
        table = schema.workspaces
        await self.connection.execute(update(table).where(table.c.id == after.id).values(asdict(after)))
        events = await self.business_events.all()
        told, tell = ([one for event in events for one in messages_of(of, event)] for of in (before, after))
        await self._announce(told, tell)
        await self._record("changed", before, after)

    async def note(self, action: str, subject: Audited) -> None:
        """Tell the audit log what is done with something that is stored elsewhere."""
        await self._record(action, None, subject)

    async def is_waiting(self, definition: Definition) -> bool:
        """Whether what the other services shall know of it is still in the outbox."""
        keys = [messages.definition_key(message).decode() for message in messages_of(self.workspace, definition)]
        query = select(schema.outbox.c.id).where(schema.outbox.c.key.in_(keys)).limit(1)
        return await self.connection.scalar(query) is not None

    async def announce(self, definitions: Sequence[messages.Definition]) -> None:
        """Tell the other services once more what they should know already."""
        await self._announce([], definitions)

    async def _write(self, before: Stored | None, after: Stored | None) -> None:
        subject = after or before
        table = _TABLES[type(subject)]
        values = asdict(after) if after is not None else {}
        if before is None:
            await self.connection.execute(insert(table).values(**values, workspace_id=self.workspace.id))
            return
        mine = and_(table.c.workspace_id == self.workspace.id, table.c.id == before.id)
        if after is None:
            await self.connection.execute(delete(table).where(mine))
        else:
            await self.connection.execute(update(table).where(mine).values(values))

    async def _announce(self, before: Sequence[messages.Definition], after: Sequence[messages.Definition]) -> None:
        """Write what has changed; what is no more comes last, so that nothing is missing in between."""
        values = {messages.definition_key(one).decode(): msgspec.json.encode(one).decode() for one in after}
        known = {messages.definition_key(one).decode(): msgspec.json.encode(one).decode() for one in before}
        records: list[tuple[str, str | None]] = [
            *((key, value) for key, value in values.items() if known.get(key) != value),
            *((key, None) for key in known if key not in values),
        ]
        for key, value in records:
            await self.connection.execute(insert(schema.outbox).values(key=key, value=value))

    async def _record(self, action: str, before: Audited | None, after: Audited | None) -> None:
        subject = after or before
        if subject is None or isinstance(subject, Capture):  # nothing that anybody configured
            return
        entry = AuditEntry(
            id=new_event_id(),
            at=self.now,
            user_id=self._by.user_id if self._by else None,
            user_email=self._by.email if self._by else _SYSTEM,
            action=action,
            subject_kind=subject_kind(subject),
            subject_id=subject.id,
            subject_name=subject.name,
            changes=differences(before, after),
        )
        await self.connection.execute(insert(schema.audit_log).values(**asdict(entry), workspace_id=self.workspace.id))


class Workspaces:
    """The way into a workspace. `committed` is set after every change."""

    def __init__(self, database: Database, now: Clock) -> None:
        self.committed = asyncio.Event()
        self._database = database
        self._now = now

    @asynccontextmanager
    async def reading(self, workspace_id: str) -> AsyncIterator[Scope]:
        async with self._database.reading() as connection:
            yield Scope(connection, await _workspace(connection, workspace_id, lock=False), None, self._now())

    @asynccontextmanager
    async def changing(self, by: Identity) -> AsyncIterator[Scope]:
        """Everything in it is stored when it ends, or nothing if it raises. One at a time in each workspace."""
        async with self._changing(by.workspace.id, by) as scope:
            yield scope

    @asynccontextmanager
    async def tending(self, workspace_id: str) -> AsyncIterator[Scope]:
        """As `changing`, for what nobody asked for."""
        async with self._changing(workspace_id, None) as scope:
            yield scope

    async def ids(self) -> Sequence[str]:
        async with self._database.reading() as connection:
            return await _ids(connection)

    async def of_integration(self, integration_id: str) -> str | None:
        """The workspace that has this integration."""
        table = schema.integrations
        try:
            query = select(table.c.workspace_id).where(table.c.id == str(UUID(integration_id)))
        except ValueError:
            return None
        async with self._database.reading() as connection:
            workspace_id: str | None = await connection.scalar(query)
            return workspace_id

    async def announce_all(self) -> int:
        """Announce everything that is live once more, of all workspaces at once; how many definitions that was.

        Without those that wait in the outbox anyway: the last record of each key there is the stored state.
        """
        count = 0
        async with self._database.writing() as connection:
            for workspace_id in await _ids(connection):
                scope = Scope(connection, await _workspace(connection, workspace_id, lock=True), None, self._now())
                waiting = set(await connection.scalars(select(schema.outbox.c.key)))
                live = [one for one in await scope.live() if messages.definition_key(one).decode() not in waiting]
                await scope.announce(live)
                count += len(live)
        return count

    @asynccontextmanager
    async def _changing(self, workspace_id: str, by: Identity | None) -> AsyncIterator[Scope]:
        async with self._database.writing() as connection:
            yield Scope(connection, await _workspace(connection, workspace_id, lock=True), by, self._now())
        self.committed.set()


async def _ids(connection: AsyncConnection) -> Sequence[str]:
    ids = await connection.scalars(select(schema.workspaces.c.id).order_by(schema.workspaces.c.id))
    return ids.all()


async def _workspace(connection: AsyncConnection, workspace_id: str, *, lock: bool) -> Workspace:
    table = schema.workspaces
    query = select(*(table.c[name] for name in Workspace.__struct_fields__)).where(table.c.id == workspace_id)
    rows = await connection.execute(query.with_for_update(key_share=True) if lock else query)
    return Workspace(**rows.one()._asdict())
