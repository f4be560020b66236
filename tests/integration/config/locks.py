"""Who waits for a lock in a PostgreSQL."""

from sqlalchemy import text

from services.config.store.database import Database

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def somebody_waits(database: Database) -> bool:
    """Whether a transaction of this database waits for another one."""
    async with database.reading() as connection:
        return bool(await connection.scalar(_WAITING))
