"""The relay: from the outbox to the definitions topic, in order, at least once.

1. Connect, which fences every relay before this one.
2. If the topic is empty, put everything that is live into the outbox: Kafka has lost it, or is new.
3. Read the oldest rows, in the order of their ids.
4. Publish them in this order, with the producer of 1 and no other, and wait until Kafka has acknowledged all of them.
5. Only then delete exactly these rows.

A failure anywhere goes back to 1, and then the rows are read anew, so nothing is passed over and nothing overtakes.
Were they read before the fence, another relay could publish them and a tombstone in between: what was deleted would
come back. With a fence that is older than the rows, Kafka refuses them instead.
A crash between 4 and 5 publishes again what is there already, which leaves the last state of each key as it is.
"""

import asyncio
import contextlib
import logging
from typing import Final

from libs import telemetry
from services.config.errors import UnavailableError
from services.config.publisher import DefinitionsPublisher, PublishError
from services.config.store.outbox import Outbox
from services.config.store.scope import Workspaces

log = logging.getLogger(__name__)

_BATCH: Final = 100
_POLL_S: Final = 1.0
_FIRST_RETRY_S: Final = 0.2
_LAST_RETRY_S: Final = 5.0


class Relay:
    """Empties the outbox, at once after a change in this process and otherwise by polling."""

    def __init__(self, outbox: Outbox, publisher: DefinitionsPublisher, workspaces: Workspaces) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._workspaces = workspaces
        self._topic_checked = False

    async def run(self) -> None:
        """Relay until cancelled. Neither Kafka nor the store being away ends it."""
        retry_s = 0.0
        while True:
            self._workspaces.committed.clear()
            try:
                waiting = await self._relay_batch()
            except (PublishError, UnavailableError) as error:
                self._topic_checked = False
                if not retry_s:
                    log.warning("definitions are stored but cannot be published, trying on: %s", error)
                retry_s = min(max(2 * retry_s, _FIRST_RETRY_S), _LAST_RETRY_S)
                await asyncio.sleep(retry_s)
                continue
            if retry_s:
                log.info("definitions are published again")
            retry_s = 0.0
            if not waiting:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._workspaces.committed.wait(), _POLL_S)

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
