"""Reads ``inlet.samples``. Every replica reads all of it, without a group: what they store they store only once.

A replica that starts goes back as far as a capture can last, so that nothing is missed in a restart.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from libs import topics
from libs.clients import start_whole, stop_whole
from libs.messages import RefusedSample, Sample
from services.config.definitions import Clock
from services.config.errors import UnavailableError

log = logging.getLogger(__name__)

_LOOK_BACK: Final = timedelta(minutes=2)
_RETRY_S: Final = 1.0
_POLL_MS: Final = 500
_SAMPLE: Final = msgspec.json.Decoder(Sample | RefusedSample)

Note = Callable[[Sequence[Sample | RefusedSample]], Awaitable[None]]


class SampleReader:
    """Hands samples to `note`, in order within each integration, again until it succeeds."""

    def __init__(self, bootstrap: str, note: Note, now: Clock) -> None:
        self._bootstrap = bootstrap
        self._note = note
        self._now = now

    async def run(self) -> None:
        """Read until cancelled. Neither Kafka nor the store being away ends it."""
        said = False
        while True:
            try:
                await self._read()
            except (KafkaError, UnavailableError) as error:
                if not said:
                    log.warning("samples are not read, trying on: %s", type(error).__name__)
                said = True
                await asyncio.sleep(_RETRY_S)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            topics.SAMPLES,
            group_id=None,
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=topics.RECORD_LIMIT_BYTES,
        )
        await start_whole(consumer.start, consumer.stop)
        try:
            await self._begin(consumer)
            while True:
                batches = await consumer.getmany(timeout_ms=_POLL_MS)
                values = [record.value for batch in batches.values() for record in batch]
                await self._note([sample for value in values if (sample := _decoded(value)) is not None])
        finally:
            await stop_whole(consumer.stop)

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        """Begin at what may be of a capture that is still armed."""
        while not (partitions := consumer.assignment()):  # the topic is not there yet
            await consumer.getmany(timeout_ms=_POLL_MS)
        since_ms = int((self._now() - _LOOK_BACK).timestamp() * 1000)
        ends = await consumer.end_offsets(partitions)  # before the question, whose answer is then not yet outdated
        for partition, found in (await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))).items():
            consumer.seek(partition, ends[partition] if found is None else found.offset)


def _decoded(value: bytes | None) -> Sample | RefusedSample | None:
    try:
        sample: Sample | RefusedSample = _SAMPLE.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        log.warning("a sample cannot be read and is passed over")
        return None
    return sample
