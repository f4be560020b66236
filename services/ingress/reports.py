"""``inlet.activity``: once a second, one record for each integration to which there were requests.

No request waits for it, and none is lost from the counts: what cannot be written is added to those of the next second.
What Kafka has stored without confirming it is then counted twice.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from libs import activity
from libs.activity import IngressReport
from libs.claims import ClaimsUnavailableError
from libs.messages import Position
from libs.owners import Owners
from services.ingress.acceptance import Record, RecordLog, place_of
from services.ingress.tally import Taken, Tallies

_INTERVAL_S: Final = 1.0
# Integrations at a time: what is between two of them does not wait long for the event loop.
_SLICE: Final = 100
_CLOSE_LIMIT_S: Final = 3.0


class Reports:
    """Writes the tallies. `owners` says what duplicates repeat; when it cannot, they are told without."""

    def __init__(self, tallies: Tallies, owners: Owners, log: RecordLog) -> None:
        self._tallies = tallies
        self._owners = owners
        self._log = log
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what was counted until now; what is not confirmed is counted again."""
        async with self._writing:
            taken = self._tallies.take()
            while taken:
                some, taken = taken[:_SLICE], taken[_SLICE:]
                if not await self._write(some):
                    for one in taken:
                        one.give_back()
                    return

    async def close(self) -> None:
        """Write what is left, for a bounded time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await self.flush()

    async def _write(self, some: Sequence[Taken]) -> bool:
        owners = iter(await self._find_owners([one.key for taken in some for one in taken.repetitions]))
        at = self._tallies.now_ns() // 10**9
        records = [_record(_report(taken, at, owners)) for taken in some]
        positions = await asyncio.gather(*map(self._log.append, records))
        for taken, position in zip(some, positions, strict=True):
            if position is None:
                taken.give_back()
        return None not in positions

    async def _find_owners(self, keys: Sequence[str]) -> Sequence[Position | None]:
        try:
            return await self._owners.owners(keys) if keys else ()
        except ClaimsUnavailableError:
            return [None] * len(keys)


def _report(taken: Taken, at: int, owners: Iterator[Position | None]) -> IngressReport:
    repetitions = [
        activity.Repetition(id=one.id, at=one.at, inputs=one.inputs, owner=next(owners)) for one in taken.repetitions
    ]
    return IngressReport(
        integration_id=taken.tally.integration_id,
        at=at,
        accepted=taken.accepted,
        duplicates=taken.duplicates,
        rejected=taken.rejected,
        recent=(*repetitions, *taken.rejections),
    )


def _record(report: IngressReport) -> Record:
    key = report.integration_id
    return Record(key, msgspec.json.encode(report), [], place_of(key))
