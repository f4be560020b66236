"""Who waits for a lock in a PostgreSQL."""

from sqlalchemy import text

from services.config.store.database import Database

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def somebody_waits(database: Database, count: int = 1) -> bool:
    """Whether so many transactions of this database wait for another one."""
    async with database.reading() as connection:
        return (await connection.scalar(_WAITING) or 0) >= count
