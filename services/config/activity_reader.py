"""Reads ``inlet.activity`` into the database, in one process at a time, and everything once.

1. Have the relay's turn. Two that both believe to have it harm nothing, see 4.
2. Read from the database where to go on.
3. Read what there is, and add it up: many reports become a row for each integration.
4. Store that with the offset after it, if the stored offset is still that of 2 or of the last 4; else go back to 2.

A failure anywhere goes back to 1: nothing is passed over, and what was stored is not read again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from libs import telemetry, topics
from libs.activity import Report, decode_report
from libs.consumers import consumer_of, partitions_of
from services.config.definitions import Clock
from services.config.entries import Gathered, gather
from services.config.errors import UnavailableError
from services.config.store.activity import ActivityStore, OffsetsMovedError

log = logging.getLogger(__name__)

_RECORDS_AT_ONCE: Final = 5_000
_WAIT_MS: Final = 500
# What comes within this time is stored together.
_PACE_S: Final = 0.5
_RETRY_S: Final = 1.0
# After this time it begins anew, with the partitions that the topic has then.
_TURN_S: Final = 300.0


class ActivityReader:
    """Stores activity while `is_our_turn` says so."""

    def __init__(self, bootstrap: str, store: ActivityStore, is_our_turn: Callable[[], bool], now: Clock) -> None:
        self._bootstrap = bootstrap
        self._store = store
        self._is_our_turn = is_our_turn
        self._now = now

    async def run(self) -> None:
        """Read until cancelled. Neither Kafka nor the store being away ends it."""
        said = False
        while True:
            try:
                if self._is_our_turn():
                    await self._read()
                    said = False
                else:
                    telemetry.ACTIVITY_PENDING.set(0)  # to be counted by the one that has it
            except (KafkaError, UnavailableError, OffsetsMovedError) as error:
                if not said:
                    log.warning("activity is not stored, trying on: %s", type(error).__name__)
                said = True
            await asyncio.sleep(_RETRY_S)

    async def _read(self) -> None:
        partitions = await partitions_of(self._bootstrap, topics.ACTIVITY)
        until_s = asyncio.get_running_loop().time() + _TURN_S
        await self._store.forget(self._now())
        async with consumer_of(self._bootstrap) as consumer:
            stored = await self._store.offsets()
            known = await _begin(consumer, partitions, stored)
            while self._is_our_turn() and asyncio.get_running_loop().time() < until_s:
                count = await self._store_some(consumer, stored, known)
                if count < _RECORDS_AT_ONCE:
                    await asyncio.sleep(_PACE_S)

    async def _store_some(
        self, consumer: AIOKafkaConsumer, stored: dict[int, int], known: Mapping[TopicPartition, int]
    ) -> int:
        """Store what there is, at most so much at once; how many records that was."""
        batches: Mapping[TopicPartition, Sequence[ConsumerRecord]]
        batches = await consumer.getmany(timeout_ms=_WAIT_MS, max_records=_RECORDS_AT_ONCE)
        ended = {partition.partition: records[-1].offset + 1 for partition, records in batches.items() if records}
        records = [record for some in batches.values() for record in some]
        unread = await _unread(consumer, known)
        telemetry.ACTIVITY_PENDING.set(unread + len(records))
        if not ended:
            return 0
        await self._store.add(await asyncio.to_thread(_added_up, records), stored, ended)
        telemetry.ACTIVITY_PENDING.set(unread)
        stored.update(ended)
        return len(records)


async def _begin(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], stored: Mapping[int, int]
) -> Mapping[TopicPartition, int]:
    """Go on where the last transaction ended; where Kafka has lost that, or never had it, at what there is.

    Returns where each partition ends now.
    """
    first = await consumer.beginning_offsets(partitions)
    end: Mapping[TopicPartition, int] = await consumer.end_offsets(partitions)
    consumer.assign(partitions)
    # Nothing may be awaited before all are sought: a partition without a position is an error.
    for partition in partitions:
        offset = stored.get(partition.partition, 0)
        consumer.seek(partition, offset if first[partition] <= offset <= end[partition] else first[partition])
    return end


async def _unread(consumer: AIOKafkaConsumer, known: Mapping[TopicPartition, int]) -> int:
    """How many records there were behind those that are read, when the broker last said so.

    As long as nothing was fetched of a partition that was at the beginning.
    """
    unread = 0
    for partition in consumer.assignment():
        unread += max(0, (consumer.highwater(partition) or known[partition]) - await consumer.position(partition))
    return unread


def _added_up(records: Iterable[ConsumerRecord]) -> Gathered:
    return gather(report for record in records if (report := _decoded(record)) is not None)


def _decoded(record: ConsumerRecord) -> Report | None:
    try:
        return decode_report(record.value or b"")
    except ValueError:
        at = (record.topic, record.partition, record.offset)
        log.warning("record %s/%d/%d is no report that this version can read, and is passed over", *at)
        return None
