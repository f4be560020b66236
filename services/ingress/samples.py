"""``inlet.samples``: what an armed capture sees of the requests to its integration, and what was refused, and why."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from aiokafka.errors import KafkaError

from libs import topics
from libs.messages import Capture, RefusedSample, Sample
from services.ingress.connection import Connection

log = logging.getLogger(__name__)

_REFUSALS_LIMIT: Final = 20
_UNDER_WAY_LIMIT: Final = 32


class Samples:
    """Writes samples. What cannot be written in time is given up: the sender, or the author, tries again."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._under_way: set[asyncio.Task[bool]] = set()
        self._refused: dict[str, tuple[int, int]] = {}

    async def write(self, capture: Capture, headers: Mapping[str, str], raw: bytes) -> bool:
        """Write a sample; whether it is durable. `raw` is JSON."""
        value = Sample(
            integration_id=capture.id,
            generation=capture.generation,
            received_at=_now(),
            headers=dict(headers),
            body=msgspec.Raw(raw),
        )
        return await self._write(value)

    def copy(self, capture: Capture, headers: Mapping[str, str], raw: bytes) -> None:
        """Write a sample of a request that is answered without waiting for this."""
        self._start(Sample(
            integration_id=capture.id,
            generation=capture.generation,
            received_at=_now(),
            headers=dict(headers),
            body=msgspec.Raw(raw),
        ))  # fmt: skip

    def refuse(self, capture: Capture, status: int, reason: str) -> None:
        """Tell the author what was refused, for a limited number of requests: strangers can send any number."""
        generation, count = self._refused.get(capture.id, (0, 0))
        count = count if generation == capture.generation else 0
        if count >= _REFUSALS_LIMIT:
            return
        self._refused[capture.id] = (capture.generation, count + 1)
        self._start(RefusedSample(
            integration_id=capture.id,
            generation=capture.generation,
            received_at=_now(),
            status=status,
            reason=reason,
        ))  # fmt: skip

    async def close(self) -> None:
        """Wait for what is under way, for a bounded time."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._timeout_s)

    def _start(self, value: Sample | RefusedSample) -> None:
        if len(self._under_way) < _UNDER_WAY_LIMIT:
            task = asyncio.create_task(self._write(value))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _write(self, value: Sample | RefusedSample) -> bool:
        producer = self._connection.producer
        if producer is None:
            return False
        try:
            async with asyncio.timeout(self._timeout_s):
                # Shielded: the future of an idempotent producer must not be cancelled, and never ends by itself.
                sent = await producer.send(topics.SAMPLES, msgspec.json.encode(value), value.integration_id.encode())
                await asyncio.shield(sent)
        except (KafkaError, TimeoutError) as error:
            log.warning("a sample of integration %s is lost: %s", value.integration_id, type(error).__name__)
            return False
        return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
