"""``inlet.samples``: what an armed capture sees of the requests to its integration, and what was refused, and why."""

import asyncio
import time
from typing import Final

import msgspec

from libs.messages import Capture, RefusedSample, Sample
from services.ingress.acceptance import Record, RecordLog, place_of
from services.ingress.timestamps import rfc3339

_REFUSALS_LIMIT: Final = 20
# Samples on their way that no sender waits for. One more is left out: requests come first.
_COPIES_LIMIT: Final = 32


class Samples:
    """Writes samples. What cannot be written in time is given up: the sender, or the author, tries again."""

    def __init__(self, log: RecordLog) -> None:
        self._log = log
        self._copies: set[asyncio.Task[bool]] = set()
        # By integration: the latest generation, and how many of its refusals were told.
        self._refused: dict[str, tuple[int, int]] = {}

    async def write(self, capture: Capture, headers: dict[str, str], raw: bytes) -> bool:
        """Write a sample; whether it is durable. `raw` is JSON."""
        return await self._append(_sample(capture, headers, raw))

    def copy(self, capture: Capture, headers: dict[str, str], raw: bytes) -> None:
        """Write a sample of a request that is answered without waiting for this."""
        self._in_background(_sample(capture, headers, raw))

    def refuse(self, capture: Capture, status: int, reason: str) -> None:
        """Tell the author what was refused, for a limited number of requests: strangers can send any number."""
        generation, count = self._refused.get(capture.id, (0, 0))
        count = count if generation == capture.generation else 0
        if count >= _REFUSALS_LIMIT:
            return
        self._refused[capture.id] = (capture.generation, count + 1)
        self._in_background(
            RefusedSample(
                integration_id=capture.id,
                generation=capture.generation,
                received_at=rfc3339(time.time_ns(), 6),
                status=status,
                reason=reason,
            )
        )

    async def close(self) -> None:
        """Wait for what is on its way, which the log bounds."""
        await asyncio.gather(*self._copies)

    def _in_background(self, message: Sample | RefusedSample) -> None:
        if len(self._copies) < _COPIES_LIMIT:
            copy = asyncio.create_task(self._append(message))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)

    async def _append(self, message: Sample | RefusedSample) -> bool:
        integration_id = message.integration_id
        record = Record(integration_id, msgspec.json.encode(message), [], place_of(integration_id))
        return await self._log.append(record) is not None


def _sample(capture: Capture, headers: dict[str, str], raw: bytes) -> Sample:
    return Sample(
        integration_id=capture.id,
        generation=capture.generation,
        received_at=rfc3339(time.time_ns(), 6),
        headers=headers,
        body=msgspec.Raw(raw),
    )
