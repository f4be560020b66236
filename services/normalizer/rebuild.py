"""The claims of the last window, made anew from ``inlet.events``: for a Redis that has lost them.

Until that is done, a request that repeats one of before the loss is answered 200 and becomes a further event. The
services need not stop for it, see `libs.claims.RedisClaims.restore`.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord
from msgspec import Struct

from libs import topics
from libs.claims import WINDOW, ClaimsUnavailableError, RedisClaims, Remembered
from libs.consumers import consumer_of, partitions_of
from libs.messages import PART_HASH
from libs.redis import redis_client
from libs.settings import Seconds

_HASH: Final = re.compile(rb"[0-9a-f]{32}")
_POLL_MS: Final = 1000
_BATCH: Final = 5_000
_STANDSTILL_LIMIT_S: Final = 60.0
_TELL_EVERY_S: Final = 1.0


class Settings(Struct, frozen=True, kw_only=True):
    """What ``python -m services rebuild-dedup`` reads; the window as the services have it."""

    kafka: str
    redis: str
    redis_timeout_s: Seconds = 10
    deduplication_window_s: Seconds = WINDOW.total_seconds()


class RebuildError(Exception):
    """It could not be done to the end. What is restored stays; doing it again does no harm."""


class Rebuilt(Struct):
    """How far it is: the share of the topic, deduplicated events in it, and claims that were missing."""

    share: float = 0.0
    events: int = 0
    restored: int = 0

    def __str__(self) -> str:
        return f"{self.share:4.0%} read: {self.events:,} deduplicated events, {self.restored:,} claims restored"


async def rebuild(settings: Settings, tell: Callable[[str], None]) -> Rebuilt:
    """Restore the claims of all deduplicated events of the last window, and `tell` once a second how far it is.

    Raises:
        RebuildError: Kafka or Redis does not answer.
        SettingsError: the address of Redis is none.
    """
    window = timedelta(seconds=settings.deduplication_window_s)
    redis = redis_client(settings.redis, settings.redis_timeout_s)
    try:
        claims = RedisClaims(redis, window)
        await claims.ping()
        return await _rebuild(settings.kafka, claims, window, tell)
    except ClaimsUnavailableError as error:
        raise RebuildError(f"Redis does not answer: {error}. Run it again when it does; nothing is lost") from error
    except (KafkaError, TimeoutError) as error:
        reason = str(error) or f"nothing came for {_STANDSTILL_LIMIT_S:g} s"
        raise RebuildError(f"Kafka cannot be read: {reason}. Run it again when it can; nothing is lost") from error
    finally:
        await redis.aclose()


async def _rebuild(bootstrap: str, claims: RedisClaims, window: timedelta, tell: Callable[[str], None]) -> Rebuilt:
    done = Rebuilt()
    told = 0.0
    async with consumer_of(bootstrap) as consumer:
        starts, ends = await _assign(consumer, await partitions_of(bootstrap, topics.EVENTS), window)
        total = sum(ends.values()) - sum(starts.values())
        positions = starts
        while left := [partition for partition, end in ends.items() if positions[partition] < end]:
            async with asyncio.timeout(_STANDSTILL_LIMIT_S):
                remembered = _remembered(await _next(consumer, left), window)
            done.events += len(remembered)
            done.restored += await claims.restore(remembered)
            positions = {partition: await consumer.position(partition) for partition in ends}
            done.share = min(1.0, (sum(positions.values()) - sum(starts.values())) / total)
            if time.monotonic() > told + _TELL_EVERY_S:
                told = time.monotonic()
                tell(str(done))
    done.share = 1.0
    tell(str(done))
    return done


async def _assign(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], window: timedelta
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Go to where the window begins; the offsets there and, as it is now, at the end."""
    begin_ms = int(time.time() * 1000) - window // timedelta(milliseconds=1)
    ends = await consumer.end_offsets(list(partitions))
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, begin_ms))
    starts = {one: min(at.offset, ends[one]) if (at := found[one]) else ends[one] for one in partitions}
    consumer.assign(list(partitions))
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    return starts, ends


async def _next(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> list[ConsumerRecord]:
    """The next records; none where only the marks of transactions were left."""
    before = [await consumer.position(partition) for partition in partitions]
    while True:
        batches = await consumer.getmany(*partitions, timeout_ms=_POLL_MS, max_records=_BATCH)
        if batches or before != [await consumer.position(partition) for partition in partitions]:
            return [record for records in batches.values() for record in records]


def _remembered(records: Iterable[ConsumerRecord], window: timedelta) -> list[Remembered]:
    """What is to be claimed for these events: for those that are deduplicated, and in the window."""
    now_ms = time.time() * 1000
    return [
        Remembered(key.decode(), record.partition, age)
        for record in records
        if (age := timedelta(milliseconds=now_ms - record.timestamp)) < window
        and _HASH.fullmatch(key := dict(record.headers).get(PART_HASH) or record.key or b"")
    ]
