"""The dead letters of a workspace, for its administrators: those whose record says that it is of this workspace.

A few readers at once, each bounded in time: who asks costs the service, and Kafka, little.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct

from services.config.audit import DeadLetterScope
from services.config.dead_letters.letters import Action, Key, Place, Wanted
from services.config.dead_letters.reading import DeadLetters, Found, Listed, opened
from services.config.dead_letters.resolving import Order, can, resolve
from services.config.errors import ConflictError, NotFoundError, UnavailableError
from services.config.identity import Identity
from services.config.store.scope import Workspaces

_READERS_LIMIT: Final = 2
_TIME_LIMIT_S: Final = 10.0
CALL_LIMIT: Final = 1000
"""So many are resolved by one call, or fewer if that takes long."""

Cause = Annotated[str, Meta(min_length=1, max_length=100)]


class Chosen(Struct, frozen=True, kw_only=True):
    """Which dead letters somebody means; all of them, as far as nothing is said. Times are those of the records."""

    integration_id: UUID | None = None
    cause: Cause | None = None
    service: Literal["normalizer", "trigger"] | None = None
    since: datetime | None = None
    until: datetime | None = None
    place: Place | None = None


class Resolved(Struct, frozen=True, kw_only=True):
    """How many dead letters were resolved, and how many of those that were meant are open still, by cause."""

    done: int
    left: Counter[str]


class OwnDeadLetters:
    """What somebody may do with the dead letters of their workspace.

    Every call raises `UnavailableError` when Kafka does not answer, or when there is too much to read.
    """

    def __init__(self, workspaces: Workspaces, bootstrap: str) -> None:
        self._workspaces = workspaces
        self._bootstrap = bootstrap
        self._readers = asyncio.Semaphore(_READERS_LIMIT)
        self._resolving = asyncio.Lock()

    async def page(self, by: Identity, chosen: Chosen, limit: int, older_than: Key | None = None) -> Listed:
        """The newest open ones, the newest last, and how many of all that are meant are open."""
        async with self._reading() as letters:
            return await letters.page(_wanted(by, chosen), limit, older_than)

    async def get(self, by: Identity, place: Place) -> Found:
        """One, open or not.

        Raises:
            NotFoundError: the workspace has no such one.
        """
        async with self._reading() as letters:
            found = await letters.at(place)
        if found is None or found.letter.workspace != by.workspace.id:
            raise NotFoundError("There is no such dead letter.")
        return found

    async def count(self, by: Identity, action: Action, chosen: Chosen) -> Counter[str]:
        """How many of those that are meant are open and can be resolved so, by cause."""
        async with self._reading() as letters:
            return await _count(letters, by, action, chosen)

    async def resolve(self, by: Identity, action: Action, chosen: Chosen, expected: int | None = None) -> Resolved:
        """Replay or discard them, at most `CALL_LIMIT`; if so many are `expected`, only if there are as many.

        The audit log tells it before it happens: what is not told must not have happened.

        Raises:
            ConflictError: there are more or fewer, or another run is under way, or has begun since and ended this one.
        """
        if self._resolving.locked():
            raise ConflictError("Dead letters are being replayed or discarded at the moment. Repeat this later.")
        async with self._resolving:
            async with self._reading() as letters:
                causes = await _count(letters, by, action, chosen)
            if expected is not None and expected != causes.total():
                raise ConflictError(f"There are {causes.total():,} of them now, not {expected:,}. Look at them again.")
            if not causes:
                return Resolved(done=0, left=causes)
            async with self._workspaces.changing(by) as scope:
                await scope.note(action, _scope(chosen, min(CALL_LIMIT, causes.total())))
            order = Order(action=action, wanted=_wanted(by, chosen), before=letters.ends)
            done, clock = 0, asyncio.get_running_loop().time
            end_s = clock() + _TIME_LIMIT_S
            async with aclosing(resolve(self._bootstrap, order)) as steps:
                async for count in steps:
                    done += count
                    if done >= CALL_LIMIT or clock() > end_s:
                        break
            return Resolved(done=done, left=await self.count(by, action, chosen))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[DeadLetters]:
        try:
            async with asyncio.timeout(_TIME_LIMIT_S), self._readers, opened(self._bootstrap) as letters:
                yield letters
        except TimeoutError as error:
            raise UnavailableError(
                "It takes too long to read all dead letters. Ask for fewer, or on the command line."
            ) from error


async def _count(letters: DeadLetters, by: Identity, action: Action, chosen: Chosen) -> Counter[str]:
    causes = await letters.count(_wanted(by, chosen))
    return Counter({cause: count for cause, count in causes.items() if can(action, cause)})


def _wanted(by: Identity, chosen: Chosen) -> Wanted:
    return Wanted(
        workspace=by.workspace.id,
        integration=str(chosen.integration_id) if chosen.integration_id else None,
        cause=chosen.cause,
        service=chosen.service,
        since=chosen.since,
        until=chosen.until,
        place=chosen.place,
    )


def _scope(chosen: Chosen, count: int) -> DeadLetterScope:
    return DeadLetterScope(
        count=count,
        integration_id=str(chosen.integration_id) if chosen.integration_id else None,
        cause=chosen.cause,
        service=chosen.service,
        since=chosen.since,
        until=chosen.until,
        place=str(chosen.place) if chosen.place else None,
    )
