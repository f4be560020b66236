"""The relay: from the outbox to the definitions topic, in order, at least once.

1. Have the lock that one process at a time has. Without it there is no producer, and another process relays.
2. Connect, which fences every relay before this one.
3. If the topic is empty, put everything that is live into the outbox: Kafka has lost it, or is new.
4. Read the oldest rows, in the order of their ids.
5. Publish them in this order, with the producer of 2 and no other, and wait until Kafka has acknowledged all of them.
6. Only then delete exactly these rows.

A failure anywhere lets the lock go and begins anew at 1, so a process that reaches Kafka takes over from one that does
not, and the rows are read anew: nothing is passed over and nothing overtakes.
Were they read before the fence, another relay could publish them and a tombstone in between: what was deleted would
come back. With a fence that is older than the rows, Kafka refuses them instead.
A crash between 5 and 6 publishes again what is there already, which leaves the last state of each key as it is.

It is the fence that keeps the order. The lock only keeps relays from fencing each other in turns: who loses it may
not know yet and go on to publish, until the next one has connected.
"""

import asyncio
import contextlib
import logging
from typing import Final

from libs import telemetry
from services.config.errors import UnavailableError
from services.config.publisher import DefinitionsPublisher, PublishError
from services.config.store.lock import RelayLock
from services.config.store.outbox import Outbox
from services.config.store.scope import Workspaces

log = logging.getLogger(__name__)

_BATCH: Final = 100
# For changes made in another process, and for the lock.
_POLL_S: Final = 0.2
_FIRST_RETRY_S: Final = 0.2
_LAST_RETRY_S: Final = 5.0
_PUBLISHES: Final = "publishes the definitions"
_STANDS_BY: Final = "stands by and does not publish the definitions"


class Relay:
    """Empties the outbox, at once after a change in this process and otherwise by polling, while it has the lock."""

    def __init__(
        self, outbox: Outbox, publisher: DefinitionsPublisher, workspaces: Workspaces, lock: RelayLock | None = None
    ) -> None:
        """Relay for one of the processes that share `lock`, or without one for the only process."""
        self._outbox = outbox
        self._publisher = publisher
        self._workspaces = workspaces
        self._lock = lock
        self._is_active: bool | None = None
        self._topic_checked = False

    def is_active(self) -> bool:
        """Whether this process had the lock when it looked last, a moment ago."""
        return self._is_active is True

    async def run(self) -> None:
        """Relay until cancelled. Neither Kafka nor the store being away ends it."""
        try:
            await self._run()
        finally:
            await self._let_go()

    async def _run(self) -> None:
        retry_s = 0.0
        while True:
            self._workspaces.committed.clear()
            try:
                waiting = await self._relay_in_turn()
            except (PublishError, UnavailableError) as error:
                await self._let_go()
                if not retry_s:
                    log.warning("definitions are stored but cannot be published, trying on: %s", error)
                retry_s = min(max(2 * retry_s, _FIRST_RETRY_S), _LAST_RETRY_S)
                await asyncio.sleep(retry_s)
                continue
            if retry_s and self._is_active:
                log.info("definitions are published again")
                retry_s = 0.0
            if not waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):  # wait_for would lose a cancellation that comes with the event
                        await self._workspaces.committed.wait()

    async def _relay_in_turn(self) -> int:
        """Relay the oldest rows if this process has the lock; how many are left for it."""
        is_ours = self._lock is None or await self._lock.is_ours()
        if is_ours:
            waiting = await self._relay_batch()
        else:
            waiting = 0
            self._disconnect()
            telemetry.OUTBOX_PENDING.set(0)  # to be counted by the one that has it
        if is_ours is not self._is_active:
            self._is_active = is_ours
            log.info("this process %s", _PUBLISHES if is_ours else _STANDS_BY)
        return waiting

    async def _let_go(self) -> None:
        """Leave the publishing to whichever process has the lock next."""
        self._disconnect()
        if self._lock is not None:
            await self._lock.release()

    def _disconnect(self) -> None:
        """Without its producer this process fences nobody."""
        self._topic_checked = False
        self._publisher.discard()

    async def _relay_batch(self) -> int:
        """Relay the oldest rows; how many are left."""
        await self._publisher.connect()
        if not self._topic_checked:
            await self._announce_what_is_lost()
            self._topic_checked = True
        count, records = await self._outbox.pending(_BATCH)
        telemetry.OUTBOX_PENDING.set(count)
        await self._publisher.publish(records)
        if records:
            await self._outbox.remove(records)
            telemetry.OUTBOX_PENDING.set(count - len(records))
        return count - len(records)

    async def _announce_what_is_lost(self) -> None:
        if await self._publisher.topic_is_empty():
            count = await self._workspaces.announce_all()
            if count:
                log.warning("the definitions topic is empty: everything that is live is published again: %d", count)
