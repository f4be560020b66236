"""Transactional producers, one for each input partition, and the one transaction that moves a portion on."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from msgspec import Struct

from libs.exactly_once.outcomes import Output

REQUEST_TIMEOUT_MS: Final = 10_000
_BATCH_BYTES: Final = 1024 * 1024
# Below the session timeout: an open transaction of a process that died holds readers back no longer than its
# partitions do.
_TRANSACTION_TIMEOUT_MS: Final = 9_000
TRANSACTION_LIMIT_S: Final = 8.0
# A transaction that follows another at once is refused until the other has ended everywhere, which takes some ms.
_RETRY_BACKOFF_MS: Final = 20


class Source(Struct, frozen=True, kw_only=True):
    """A service's place in Kafka: where it reads, and the names under which it reads and writes."""

    bootstrap: str
    service: str
    topic: str

    @property
    def group(self) -> str:
        """The consumer group whose offsets say what is done."""
        return f"inlet.{self.service}"

    def producer(self, partition: int) -> AIOKafkaProducer:
        """A producer, not started; starting it fences all earlier ones of this partition."""
        return transactional(self.bootstrap, f"{self.service}.{self.topic}.{partition}")


def transactional(bootstrap: str, transactional_id: str) -> AIOKafkaProducer:
    """A producer, not started; starting it fences all earlier ones with this id."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=transactional_id,
        transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        max_batch_size=_BATCH_BYTES,
        retry_backoff_ms=_RETRY_BACKOFF_MS,
    )


async def leave(producer: AIOKafkaProducer) -> None:
    """Stop a producer, whatever it is in. It may have to wait for Kafka; it cannot commit any more."""
    with contextlib.suppress(Exception):
        # The end of its transaction interests nobody any more; unread, an error there is logged as a defect.
        ended = producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001
        if ended is not None:
            ended.add_done_callback(lambda future: future.cancelled() or future.exception())
        await producer.stop()


async def write(
    producer: AIOKafkaProducer, outputs: Sequence[Output], done: tuple[TopicPartition, int], group: str
) -> None:
    """Commit the outputs, and with them that the input partition is done up to an offset.

    When this returns, `read_committed` consumers will see all of it. When it raises, the outcome is unknown and the
    producer must never be used again.
    """
    source, next_offset = done
    by_topic: dict[str, list[Output]] = defaultdict(list)
    for output in outputs:
        by_topic[output.topic].append(output)
    async with asyncio.timeout(TRANSACTION_LIMIT_S):
        await producer.begin_transaction()
        # A commit succeeds although a record failed, so each is waited for.
        await asyncio.gather(
            *(send(producer, topic, source.partition, some) for topic, some in by_topic.items()),
            producer.send_offsets_to_transaction({source: next_offset}, group),
        )
        await producer.commit_transaction()


async def send(producer: AIOKafkaProducer, topic: str, partition: int, outputs: Sequence[Output]) -> None:
    """Return when all are acknowledged, which is not yet committed.

    They are sent in batches, one after the other. The first record of a batch always fits, whatever its size.
    """
    batch = producer.create_batch()
    for output in outputs:
        if not _append(batch, output):
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            _append(batch, output)
    await (await producer.send_batch(batch, topic, partition=partition))


def _append(batch: BatchBuilder, output: Output) -> bool:
    """Whether the record fitted into the batch."""
    appended = batch.append(
        timestamp=output.timestamp_ms, key=output.key, value=output.value, headers=list(output.headers)
    )
    return appended is not None
