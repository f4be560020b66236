"""Reading the activity of integrations, each query within one workspace."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Text, and_, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.activity import RECENT_LIMIT
from services.config.entries import Counts, Entry
from services.config.store import schema

# Between the time in an event's id and the time at which it was received, or told.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


class Found(NamedTuple):
    """An entry, and whose it is."""

    integration_id: str
    entry: Entry


class Seen(NamedTuple):
    """The last request to an integration, and how many there were since a time."""

    last_request_at: datetime
    counts: Counts


async def latest(connection: AsyncConnection, workspace_id: str, integration_id: str) -> list[Entry]:
    """The latest entries, the newest first; of a request that was told twice the first told."""
    table = schema.activity_entries
    query = (
        select(table.c.entries)
        .where(table.c.workspace_id == workspace_id, table.c.integration_id == integration_id)
        .order_by(table.c.id)
    )
    by_id: dict[str, Entry] = {}
    for entries in await connection.scalars(query):
        for entry in entries:
            by_id.setdefault(entry.id, entry)
    return sorted(by_id.values(), key=lambda entry: (entry.at, entry.id), reverse=True)[:RECENT_LIMIT]


async def find(
    connection: AsyncConnection, workspace_id: str, event_id: str, *, at: datetime | None, integration_id: str | None
) -> Found | None:
    """The entry of an event, of any integration or of this one; `at` is when it was received, if that is known."""
    table = schema.activity_entries
    query = select(table.c.integration_id, table.c.entries).where(table.c.workspace_id == workspace_id)
    if integration_id is not None:
        query = query.where(table.c.integration_id == integration_id)
    if at is not None:
        query = query.where(table.c.last_at >= at - _CLOCKS_DIFFER, table.c.first_at <= at + _CLOCKS_DIFFER)
    # The id is in the row's JSON as it is here: hexadecimal digits and hyphens.
    for found_in, entries in await connection.execute(
        query.where(type_coerce(table.c.entries, Text).contains(event_id)).order_by(table.c.id)
    ):
        for entry in entries:
            if entry.id == event_id:
                return Found(found_in, entry)
    return None


async def counts_since(
    connection: AsyncConnection, workspace_id: str, integration_id: str, since: datetime
) -> dict[datetime, Counts]:
    """What was counted in each five minutes from `since` on in which there was anything."""
    table = schema.activity_counts
    query = select(table.c.at, table.c.accepted, table.c.duplicates, table.c.rejected).where(
        table.c.workspace_id == workspace_id, table.c.integration_id == integration_id, table.c.at >= since
    )
    return {at: _shown(some) for at, *some in await connection.execute(query)}


async def seen_since(
    connection: AsyncConnection, workspace_id: str, ids: Sequence[str], since: datetime
) -> dict[str, Seen]:
    """Of those of these integrations to which there ever was a request, the last one and the sums since a time."""
    last, counts = schema.last_requests, schema.activity_counts
    sums = [func.coalesce(func.sum(counts.c[name]), 0) for name in Counts._fields]
    query = (
        select(last.c.integration_id, last.c.at, *sums)
        .select_from(
            last.outerjoin(counts, and_(counts.c.integration_id == last.c.integration_id, counts.c.at >= since))
        )
        .where(last.c.workspace_id == workspace_id, last.c.integration_id.in_(ids))
        .group_by(last.c.integration_id, last.c.at)
    )
    rows = await connection.execute(query)
    return {name: Seen(at, _shown(some)) for name, at, *some in rows}


def _shown(counts: Sequence[int]) -> Counts:
    """A duplicate that the pipeline finds can be told before it is counted as accepted, or at another time."""
    return Counts(*(max(0, int(count)) for count in counts))


async def names(connection: AsyncConnection, workspace_id: str, ids: Sequence[str]) -> dict[str, str]:
    """The names of those of these Business Events that there are."""
    table = schema.business_events
    query = select(table.c.id, table.c.name).where(table.c.workspace_id == workspace_id, table.c.id.in_(ids))
    return dict((await connection.execute(query)).all())
