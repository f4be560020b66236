"""Records of the topics, read on demand: one at its place, or those around a time that hold a text.

A few readers at once, each bounded in time, records and bytes: who asks costs the service, and Kafka, little.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from libs.consumers import consumer_of, partitions_of
from services.config.entries import Place
from services.config.errors import UnavailableError

_READERS_LIMIT: Final = 4
_TIME_LIMIT_S: Final = 10.0
_RECORDS_LIMIT: Final = 200_000
_BYTES_LIMIT: Final = 256 * 1024 * 1024
_POLL_MS: Final = 500


class Wanted(NamedTuple):
    """What to search for: records of a topic from about these times, in one partition or in all.

    Their value holds `text`, which is looked for first, and is what `check` wants.
    """

    topic: str
    since_ms: int
    until_ms: int
    text: bytes
    check: Callable[[bytes], bool]
    partition: int | None = None
    limit: int = 1

    def fits(self, record: ConsumerRecord) -> bool:
        value = record.value or b""
        return self.text in value and self.check(value)


class Records:
    """Reads from Kafka. Every call raises `UnavailableError` when Kafka does not answer, or not in time."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._readers = asyncio.Semaphore(_READERS_LIMIT)

    async def at(self, place: Place) -> ConsumerRecord | None:
        """The record at a place; None if there is none, any more."""
        partition = TopicPartition(place.topic, place.partition)
        async with self._reading() as consumer:
            end = (await consumer.end_offsets([partition]))[partition]
            if not 0 <= place.offset < end:
                return None
            consumer.assign([partition])
            consumer.seek(partition, place.offset)
            try:
                while await consumer.position(partition) <= place.offset:
                    for record in (await consumer.getmany(timeout_ms=_POLL_MS, max_records=1)).get(partition, ()):
                        return record if record.offset == place.offset else None
            except OffsetOutOfRangeError:
                return None
        return None

    async def search(self, wanted: Wanted) -> list[ConsumerRecord]:
        """The first of them, so many as are wanted; fewer, if the bounds end the search before."""
        async with self._reading() as consumer:
            partitions = await partitions_of(self._bootstrap, wanted.topic)
            if wanted.partition is not None:
                partitions = [one for one in partitions if one.partition == wanted.partition]
            begins = await _begins(consumer, partitions, wanted.since_ms)
            ends = await consumer.end_offsets(list(begins))
            consumer.assign(list(begins))
            for partition, offset in begins.items():
                consumer.seek(partition, offset)
            return await _search(consumer, ends, wanted)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AIOKafkaConsumer]:
        try:
            async with asyncio.timeout(_TIME_LIMIT_S), self._readers, consumer_of(self._bootstrap) as consumer:
                yield consumer
        except (KafkaError, OSError) as error:  # the latter is a time-out too
            raise UnavailableError("The events cannot be read at the moment. Try again.") from error


async def _begins(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since_ms: int
) -> dict[TopicPartition, int]:
    """The first offset from a time on, of the partitions that have one."""
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
    return {partition: one.offset for partition, one in found.items() if one is not None}


async def _search(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], wanted: Wanted
) -> list[ConsumerRecord]:
    found: list[ConsumerRecord] = []
    left = {partition for partition, end in ends.items() if await consumer.position(partition) < end}
    records_left, bytes_left = _RECORDS_LIMIT, _BYTES_LIMIT
    while left and records_left > 0 and bytes_left > 0:
        for partition, records in (await consumer.getmany(*left, timeout_ms=_POLL_MS)).items():
            records_left -= len(records)
            bytes_left -= sum(len(record.value or b"") for record in records)
            found += filter(wanted.fits, records)
            if len(found) >= wanted.limit:
                return found[: wanted.limit]
            if records[-1].timestamp > wanted.until_ms:
                left.discard(partition)
                consumer.pause(partition)
        left = {partition for partition in left if await consumer.position(partition) < ends[partition]}
    return found
