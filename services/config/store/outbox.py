"""The outbox: records that are stored with their change and not yet on the definitions topic."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, select

from services.config.store.database import Database
from services.config.store.schema import outbox


class Pending(NamedTuple):
    """One record to publish; without a value it is a tombstone."""

    id: int
    key: str
    value: str | None


class Outbox:
    """Reads and empties the outbox. Every call raises `UnavailableError` when the store does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, limit: int) -> tuple[int, list[Pending]]:
        """How many records wait, and the oldest of them in their order."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(outbox).order_by(outbox.c.id).limit(limit))
            # After the rows, so that it includes them: on PostgreSQL each statement sees what is committed by then.
            count = await connection.scalar(select(func.count()).select_from(outbox))
            return count or 0, [Pending(*row) for row in rows]

    async def last(self) -> int:
        """The id of the newest record that waits; 0 if none does."""
        async with self._database.reading() as connection:
            return await connection.scalar(select(func.max(outbox.c.id))) or 0

    async def waiting(self, last: int) -> int:
        """How many records wait, of those up to this id."""
        async with self._database.reading() as connection:
            query = select(func.count()).select_from(outbox).where(outbox.c.id <= last)
            return await connection.scalar(query) or 0

    async def remove(self, records: Sequence[Pending]) -> None:
        """Forget these records, and no others that may have come between them."""
        async with self._database.writing() as connection:
            await connection.execute(delete(outbox).where(outbox.c.id.in_([record.id for record in records])))
