"""The database: SQLite by default, PostgreSQL for more than one process. The one place that knows the difference."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from libs.settings import SettingsError
from services.config.errors import UnavailableError

_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000")
_MIGRATION_LOCK: Final = 0x696E6C6574  # "inlet"


class Database:
    """Transactions on the store. Both kinds raise `UnavailableError` when it does not answer."""

    def __init__(self, url: str) -> None:
        """Prepare for a database; nothing is opened yet.

        Raises:
            SettingsError: `url` is not one of SQLite or PostgreSQL. The message does not repeat it.
        """
        # Without their parameters, so that statements in errors show no hash and no secret.
        self._engine = create_async_engine(_driver_url(url), hide_parameters=True, pool_pre_ping=True)
        if self._engine.dialect.name == "sqlite":
            _set_up_sqlite(self._engine)
        self._writer = self._engine.execution_options(writes=True)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        async with _answering(), self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write; committed at the end, rolled back by an error.

        On SQLite it holds the one write lock from its start: a transaction that first reads and then writes
        would fail if another had written in between.
        """
        async with _answering(), self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[AsyncConnection]:
        """A writing transaction that no other process is in at the same time."""
        async with self.writing() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            yield connection

    async def answers(self) -> bool:
        """Whether it does, now."""
        async with asyncio.timeout(2), self.reading() as connection:
            await connection.execute(text("SELECT 1"))
        return True

    async def close(self) -> None:
        await self._engine.dispose()


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
        return parsed.set(drivername=_DRIVERS[parsed.get_backend_name()])
    except (ArgumentError, KeyError) as error:
        raise SettingsError("INLET_DATABASE is neither sqlite:///<file> nor postgresql://...") from error


def _set_up_sqlite(engine: AsyncEngine) -> None:
    """Durable, checked, one writer beside any number of readers; and transactions that really begin at BEGIN."""

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver would begin transactions at its own discretion
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):  # the statement is wrong, and would be again
        raise
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        raise UnavailableError from error
