"""The lock of the relay: a session of PostgreSQL has it, and with the end of the session it is free.

The session ends with its process, however that ends, and at once. One whose process is frozen or cut off the server
ends after `lease_s`, in which the lock was not asked for. On SQLite there is one process, which has the lock.
"""

import asyncio
import contextlib
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.config.errors import UnavailableError
from services.config.store.database import Database, answering

_KEY: Final = 0x696E6C6575  # "inleu", next to the migrations' lock
_ANSWER_WITHIN_S: Final = 5.0
_LEASE: Final = text("SELECT set_config('idle_session_timeout', :lease, false)")
# The session that has it gets it once more.
_TRY: Final = text("SELECT pg_try_advisory_lock(:key)")


class RelayLock:
    """At most one process at a time has it, but may not know yet that it has lost it."""

    def __init__(self, database: Database, *, lease_s: float = 20) -> None:
        self._database = database
        self._lease_s = lease_s
        self._session: AsyncConnection | None = None

    async def is_ours(self) -> bool:
        """Whether this process has it now; if nobody has, this process takes it.

        Raises:
            UnavailableError: the store does not answer, and this process has let it go.
        """
        if not self._database.is_shared:
            return True
        try:
            async with answering(), asyncio.timeout(_ANSWER_WITHIN_S):
                return await self._ask()
        except UnavailableError:
            await self.release()
            raise

    async def release(self) -> None:
        """Let it go, if this process has it."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(DBAPIError, OSError):
                await session.invalidate()
            await session.close()

    async def _ask(self) -> bool:
        if self._session is None:
            self._session = await self._database.session()
            await self._session.execute(_LEASE, {"lease": f"{self._lease_s * 1000:.0f}"})
        return bool(await self._session.scalar(_TRY, {"key": _KEY}))
