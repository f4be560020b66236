"""The database: SQLite by default, PostgreSQL for more than one process. The one place that knows the difference."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final

from sqlalchemy import URL, Connection, NullPool, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from libs.settings import SettingsError
from services.config.errors import Fault, InvalidError, UnavailableError

log = logging.getLogger(__name__)

_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_PRAGMAS: Final = ("busy_timeout = 5000", "synchronous = FULL", "foreign_keys = ON")
_WAL_WITHIN_S: Final = 5.0
_WAL_AGAIN_S: Final = 0.01
_MIGRATION_LOCK: Final = 0x696E6C6574  # "inlet"
_CONNECT_WITHIN_S: Final = 5.0
_ANSWER_WITHIN_S: Final = 10.0
_SET_UP_AGAIN_S: Final = 0.5


class Database:
    """Transactions on the store. Both kinds raise `UnavailableError` when it does not answer.

    Text with U+0000, which PostgreSQL cannot hold, is an `InvalidError` on both.
    """

    def __init__(self, url: str) -> None:
        """Prepare for a database; nothing is opened yet.

        Raises:
            SettingsError: `url` is not one of SQLite or PostgreSQL. The message does not repeat it.
        """
        parsed = _driver_url(url)
        self.is_shared = parsed.get_backend_name() == "postgresql"
        self._engine = _postgresql(parsed) if self.is_shared else _sqlite(parsed)
        self._writer = self._engine.execution_options(writes=True)
        self._turn: AbstractAsyncContextManager[object] = nullcontext() if self.is_shared else asyncio.Lock()
        self._apart = _postgresql_apart(parsed) if self.is_shared else self._writer
        self._away: UnavailableError | None = None
        self._is_set_up = False

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        async with self._transaction(self._engine) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write; committed at the end, rolled back by an error.

        On SQLite it holds the one write lock from its start: a transaction that first reads and then writes
        would fail if another had written in between. Those of this process take turns before, in their order;
        SQLite lets whoever asks at the right moment in, and the others wait until their time is over.
        """
        async with self._turn, self._transaction(self._writer) as connection:
            yield connection

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[AsyncConnection]:
        """A writing transaction that no other process is in at the same time. It may take as long as it takes."""
        async with answering(), self._apart.begin() as connection:
            if self.is_shared:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            yield connection

    async def set_up(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do `work`, all of it in `migrating`, unless it is done already; whether it is done now.

        If it is not, `reading` and `writing` raise `UnavailableError` until it is.
        """
        if self._is_set_up:
            return True
        try:
            await work()
        except UnavailableError as error:
            if self._away is None:
                log.warning("the database does not answer, trying on: %s", error.__cause__)
            self._away = error
            return False
        if self._away is not None:
            log.info("the database answers")
        self._away, self._is_set_up = None, True
        return True

    async def until_set_up(self, work: Callable[[], Awaitable[None]]) -> None:
        """Return when `work` is done, see `set_up`."""
        while True:
            if await self.set_up(work):
                return
            await asyncio.sleep(_SET_UP_AGAIN_S)

    async def session(self) -> AsyncConnection:
        """A connection for the caller alone, each statement a transaction. Only a shared database has them."""
        return await self._apart.execution_options(isolation_level="AUTOCOMMIT").connect()

    async def answers(self) -> bool:
        """Whether it does, now."""
        async with asyncio.timeout(2), self.reading() as connection:
            await connection.execute(text("SELECT 1"))
        return True

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        if self._away is not None:
            raise UnavailableError from self._away.__cause__
        async with answering(), engine.begin() as connection:
            yield connection


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Tells a database that does not answer from a statement that is wrong, and would be again."""
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):
        raise
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        if _is_about_data(error):
            raise
        raise UnavailableError from error


def _is_about_data(error: Exception) -> bool:
    """SQLAlchemy has no name for these errors of PostgreSQL."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return str(getattr(cause, "sqlstate", "")).startswith("22")


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
        driver_url = parsed.set(drivername=_DRIVERS[parsed.get_backend_name()])
    except (ArgumentError, KeyError, ValueError) as error:
        raise SettingsError("INLET_DATABASE is neither sqlite:///<file> nor postgresql://...") from error
    if "sslmode" in parsed.query:  # as everybody but the driver calls it
        driver_url = driver_url.difference_update_query(["sslmode"]).update_query_dict({"ssl": parsed.query["sslmode"]})
    return driver_url


def _engine(url: URL, **options: Any) -> AsyncEngine:  # noqa: ANN401 those of SQLAlchemy
    # Without their parameters, so that statements in errors show no hash and no secret.
    engine = create_async_engine(url, hide_parameters=True, **options)
    event.listen(engine.sync_engine, "before_cursor_execute", _refuse_nul, named=True)
    return engine


def _postgresql(url: URL) -> AsyncEngine:
    """Each statement sees what is committed by then, whatever the server's default is.

    Who has waited for the lock of a workspace must read what the one before has written (see `store.scope`).
    """
    limits = {"timeout": _CONNECT_WITHIN_S, "command_timeout": _ANSWER_WITHIN_S}
    options = {"pool_pre_ping": True, "pool_timeout": _ANSWER_WITHIN_S, "isolation_level": "READ COMMITTED"}
    return _engine(url, connect_args=limits, **options)


def _postgresql_apart(url: URL) -> AsyncEngine:
    """For connections that are used once and for long."""
    connect = {"timeout": _CONNECT_WITHIN_S}
    return _engine(url, poolclass=NullPool, connect_args=connect, isolation_level="READ COMMITTED")


def _sqlite(url: URL) -> AsyncEngine:
    """Durable, checked, one writer beside any number of readers; and transactions that really begin at BEGIN."""
    engine = _engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver would begin transactions at its own discretion
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        _use_wal(cursor)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(cursor: DBAPICursor) -> None:
    """Of those that open a new file at once one can change its mode; others are refused, whatever their time-out."""
    until_s = time.monotonic() + _WAL_WITHIN_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until_s:
                raise
            time.sleep(_WAL_AGAIN_S)
        else:
            return


def _refuse_nul(*, parameters: Iterable[Any], executemany: bool, **_others: object) -> None:
    for row in parameters if executemany else [parameters]:
        if any(isinstance(value, str) and "\0" in value for value in row):
            raise InvalidError([Fault("", "must not contain the character U+0000")])
