"""Publishes to the compacted topic of definitions, in order, each batch as a whole.

The producer is transactional and always has the same id, so the newest one fences all before it: neither a request
still on the wire from a crashed process nor a process that was frozen can append an old definition after a newer one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from libs import topics
from libs.clients import start_whole
from services.config.store.outbox import Pending

_TRANSACTIONAL_ID: Final = "inlet-config.definitions"
_ANSWER_WITHIN_S: Final = 10.0
_PING_WITHIN_S: Final = 2.0


class PublishError(Exception):
    """Kafka did not confirm. The batch may become visible or not; publishing it again is right in both cases."""


class DefinitionsPublisher:
    """One producer at a time; after an error of any kind it is gone, and `connect` makes a new one."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None
        self._stopping: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Fence every publisher before this one, unless it is connected already.

        Raises:
            PublishError: Kafka did not answer within ten seconds, or refused.
        """
        if self._producer is None:
            async with self._answering():
                self._producer = await _connect(self._bootstrap)

    async def topic_is_empty(self) -> bool:
        """Whether nothing was ever published, or Kafka has lost it.

        Raises:
            PublishError: Kafka did not say within ten seconds, or the topic does not exist.
        """
        async with self._answering():
            return await _is_empty(self._bootstrap)

    async def publish(self, records: Sequence[Pending]) -> None:
        """Return when the records are visible to every reader. Never connects: see `services.config.relay`.

        Raises:
            PublishError: Kafka did not confirm within ten seconds, or refused, or is not connected.
        """
        if self._producer is None:
            raise PublishError("not connected")
        if records:
            async with self._answering():
                await _publish_all(self._producer, records)

    async def answers(self) -> bool:
        """Whether a broker answers now: on the connection, or, as long as another process publishes, on a new one."""
        async with asyncio.timeout(_PING_WITHIN_S):
            if self._producer is None:
                await _ping(self._bootstrap)
            else:
                await self._producer.client.fetch_all_metadata()
        return True

    def discard(self) -> None:
        """Drop the connection, so that the next one fences anew; until then this publisher fences nobody.

        The producer stops in the background: while Kafka is away that ends only after its successor fenced it.
        """
        if self._producer is not None:
            task = asyncio.create_task(_stop(self._producer))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
            self._producer = None

    async def close(self) -> None:
        """Leave without waiting for what is not confirmed; it is published again at the next start."""
        self.discard()
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=_PING_WITHIN_S)
        for task in self._stopping:
            task.cancel()

    @contextlib.asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                yield
        except (KafkaError, OSError, AssertionError) as error:  # the last: calls to a producer that was fenced
            self.discard()
            raise PublishError(str(error) or type(error).__name__) from error


async def _connect(bootstrap: str) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=_TRANSACTIONAL_ID,
        acks="all",
        # A transaction left open by a crash hides what follows it from the readers for at most this long.
        transaction_timeout_ms=int(2 * _ANSWER_WITHIN_S * 1000),
        request_timeout_ms=int(_ANSWER_WITHIN_S * 1000),
    )
    await start_whole(producer.start, producer.stop)
    return producer


async def _ping(bootstrap: str) -> None:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await start_whole(client.bootstrap, client.close)
    await client.close()


async def _is_empty(bootstrap: str) -> bool:
    partition = TopicPartition(topics.DEFINITIONS, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await start_whole(consumer.start, consumer.stop)
    try:
        begin = await consumer.beginning_offsets([partition])
        end = await consumer.end_offsets([partition])
    finally:
        await consumer.stop()
    return bool(begin == end)


async def _publish_all(producer: AIOKafkaProducer, records: Sequence[Pending]) -> None:
    await producer.begin_transaction()
    acknowledgements = [
        await producer.send(
            topics.DEFINITIONS,
            key=record.key.encode(),
            value=None if record.value is None else record.value.encode(),
            partition=0,
        )
        for record in records
    ]
    # Before the commit, which would also succeed for a part of them.
    await asyncio.gather(*acknowledgements)
    await producer.commit_transaction()


async def _stop(producer: AIOKafkaProducer) -> None:
    with contextlib.suppress(KafkaError, OSError, AssertionError):
        await producer.stop()
