"""The activity of integrations in the database: written by one reader of the topic, bounded, and read by workspace.

What is read up to an offset is stored in one transaction with that offset, and only if the stored one is still that
which the reading began with. So whoever reads, however often and at once, everything is counted once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import CursorResult, Table, case, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.activity import RECENT_LIMIT
from services.config.entries import Gathered
from services.config.store import schema
from services.config.store.database import Database

COUNTS_KEPT: Final = timedelta(days=8)
# Below the number of parameters that a statement may have.
_IDS_PER_STATEMENT: Final = 1000

Offsets = Mapping[int, int]


class OffsetsMovedError(Exception):
    """Somebody else has stored what was read too. Nothing of it was stored this time."""


class ActivityStore:
    """Where the reader of the topic writes. Every call raises `UnavailableError` when the store does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def offsets(self) -> dict[int, int]:
        """Up to where each partition is stored; one of which nothing is stored is left out."""
        table = schema.activity_offsets
        async with self._database.reading() as connection:
            rows = await connection.execute(select(table.c.partition, table.c.next_offset))
            return dict(rows.all())

    async def add(self, gathered: Gathered, began: Offsets, ended: Offsets) -> None:
        """Store what was read of each partition of `ended`, from its offset in `began`, 0 if it is not there.

        Integrations that do not exist, any more, are passed over.

        Raises:
            OffsetsMovedError: it is not what is to be stored next.
        """
        async with self._database.writing() as connection:
            await _move(connection, began, ended)
            ids = {*gathered.entries, *(integration_id for integration_id, _ in gathered.counts)}
            workspaces = await _lock(connection, ids)
            await _add_entries(connection, workspaces, gathered)
            await _add_counts(connection, workspaces, gathered)

    async def forget(self, now: datetime) -> None:
        """Delete the counts that are too old to be shown."""
        table = schema.activity_counts
        async with self._database.writing() as connection:
            await connection.execute(delete(table).where(table.c.at < now - COUNTS_KEPT))


async def _move(connection: AsyncConnection, began: Offsets, ended: Offsets) -> None:
    table = schema.activity_offsets
    for partition, next_offset in sorted(ended.items()):
        first = began.get(partition)
        if first is None:
            statement: Any = _upsert(connection, table).on_conflict_do_nothing()
            statement = statement.values(partition=partition, next_offset=next_offset)
        else:
            is_next = (table.c.partition == partition) & (table.c.next_offset == first)
            statement = update(table).where(is_next).values(next_offset=next_offset)
        result: CursorResult[Any] = await connection.execute(statement)
        if result.rowcount != 1:
            raise OffsetsMovedError(f"partition {partition} is not stored up to {first}")


async def _lock(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, str]:
    """The workspaces of the integrations that exist, and that stay until the transaction ends."""
    table = schema.integrations
    found: dict[str, str] = {}
    for some in _slices(sorted(ids)):
        query = select(table.c.id, table.c.workspace_id).where(table.c.id.in_(some)).order_by(table.c.id)
        rows = await connection.execute(query.with_for_update(read=True, key_share=True))
        found.update(rows.all())
    return found


async def _add_entries(connection: AsyncConnection, workspaces: Mapping[str, str], gathered: Gathered) -> None:
    rows = [
        {
            "workspace_id": workspaces[integration_id],
            "integration_id": integration_id,
            "first_at": entries[0].at,
            "last_at": entries[-1].at,
            "size": len(entries),
            "entries": tuple(entries),
        }
        for integration_id, entries in gathered.entries.items()
        if integration_id in workspaces
    ]
    if rows:
        await connection.execute(insert(schema.activity_entries), rows)
    for some in _slices([row["integration_id"] for row in rows]):
        await _prune(connection, some)


async def _prune(connection: AsyncConnection, ids: Sequence[object]) -> None:
    """Of each integration, delete the rows to which the newer ones together leave no room."""
    table = schema.activity_entries
    newer = func.sum(table.c.size).over(partition_by=table.c.integration_id, order_by=table.c.id.desc()) - table.c.size
    ranked = select(table.c.id, newer.label("newer")).where(table.c.integration_id.in_(ids)).subquery()
    superfluous = select(ranked.c.id).where(ranked.c.newer >= RECENT_LIMIT)
    await connection.execute(delete(table).where(table.c.id.in_(superfluous)))


async def _add_counts(connection: AsyncConnection, workspaces: Mapping[str, str], gathered: Gathered) -> None:
    counts, last = schema.activity_counts, schema.last_requests
    count_rows = [
        {
            "workspace_id": workspaces[integration_id],
            "integration_id": integration_id,
            "at": at,
            **some._asdict(),
        }
        for (integration_id, at), some in gathered.counts.items()
        if integration_id in workspaces
    ]
    last_rows = [
        {"workspace_id": workspaces[integration_id], "integration_id": integration_id, "at": at}
        for integration_id, at in gathered.last_request_at.items()
        if integration_id in workspaces
    ]
    if count_rows:
        add = _upsert(connection, counts)
        added = {name: counts.c[name] + add.excluded[name] for name in ("accepted", "duplicates", "rejected")}
        await connection.execute(
            add.on_conflict_do_update(index_elements=["integration_id", "at"], set_=added), count_rows
        )
    if last_rows:
        put = _upsert(connection, last)
        latest = case((put.excluded.at > last.c.at, put.excluded.at), else_=last.c.at)
        await connection.execute(
            put.on_conflict_do_update(index_elements=["integration_id"], set_={"at": latest}), last_rows
        )


def _upsert(connection: AsyncConnection, table: Table) -> Any:  # noqa: ANN401  each dialect has its own type
    """An insert that can say what to do where the row exists."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def _slices(ids: Sequence[Any]) -> Iterator[list[Any]]:
    rest = iter(ids)
    while some := list(islice(rest, _IDS_PER_STATEMENT)):
        yield some
