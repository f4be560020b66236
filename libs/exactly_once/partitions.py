"""Which input partitions this process may write for.

A partition is assigned by the group, but owned only once this process has fenced its earlier owners and has read,
after that, where to go on. Everything read from a partition that is not owned is ignored.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from libs import telemetry
from libs.clients import start_whole
from libs.exactly_once.progress import Mark
from libs.exactly_once.transactions import REQUEST_TIMEOUT_MS, Source, leave

log = logging.getLogger(__name__)

SESSION_TIMEOUT_MS: Final = 10_000
HEARTBEAT_INTERVAL_MS: Final = 1_000
# Past half a session, waiting for the portion in hand would endanger the membership; the fence protects then.
_REVOKE_LIMIT_S: Final = SESSION_TIMEOUT_MS / 2 / 1000
# Long enough to hear that the partition was given to another member, who must not be fenced by a second attempt.
_AGAIN_AFTER_S: Final = 2 * HEARTBEAT_INTERVAL_MS / 1000
_ACQUIRE_LIMIT_S: Final = 15.0
_ASK_AGAIN_S: Final = 0.1
_STOP_LIMIT_S: Final = 1.0
# While failures go on they are reported once in this time.
_SILENCE_S: Final = 60.0


class Owned:
    """One turn of owning a partition: its producer, and the offset after the last one it committed."""

    def __init__(self, producer: AIOKafkaProducer, position: int, turn: int) -> None:
        self.producer = producer
        self.position = position
        self.turn = turn


class Partitions(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka ships no types
    """Follows the group's assignments. `idle` is set whenever no portion is in hand."""

    def __init__(self, source: Source, consumer: Callable[[], AIOKafkaConsumer], idle: asyncio.Event) -> None:
        self.owned: dict[int, Owned] = {}
        self._source = source
        self._consumer = consumer
        self._idle = idle
        self._admin: AIOKafkaAdminClient | None = None
        self._closed = False
        self._generation = 0
        self._turns = 0
        self._acquiring: set[asyncio.Task[None]] = set()
        self._stopping: set[asyncio.Task[None]] = set()
        self._silent_until_s = 0.0

    async def connect(self) -> None:
        """Connect what reads the committed offsets; nothing to do is fine.

        Raises:
            KafkaConnectionError: no broker answers.
        """
        if self._admin is None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._source.bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
            await start_whole(admin.start, admin.close)
            self._admin = admin

    async def ask(self) -> None:
        """Return if the cluster answers; any error says that it does not."""
        await self._connected().describe_cluster()

    async def waiting(self) -> dict[int, Mark]:
        """The owned partitions with records to read, as Kafka says now; any error says that it cannot be known."""
        consumer, owned = self._consumer(), dict(self.owned)
        ends = await consumer.end_offsets([self._topic_partition(partition) for partition in owned])
        read = {end: await consumer.position(end) for end in ends}
        return {
            at.partition: Mark(owned[at.partition].turn, owned[at.partition].position, read[at])
            for at, end in ends.items()
            if read[at] < end
        }

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        # The assignment is live already, and no heartbeats are sent before this returns.
        self._consumer().pause(*assigned)
        self._generation += 1
        log.info("%s: assigned %s", self._source.topic, sorted(partition.partition for partition in assigned))
        if not self._closed:
            for partition in assigned:
                self._acquire_later(partition.partition, after_s=0)

    async def on_partitions_revoked(self, _revoked: Iterable[TopicPartition]) -> None:
        await self._release(_REVOKE_LIMIT_S)

    def lose(self, partition: int, owned: Owned, error: Exception) -> None:
        """Give up a turn whose last step has failed or may have, and acquire the partition anew."""
        telemetry.TRANSACTIONS.labels("failed").inc()
        self._note_failure(partition, error)
        if self.owned.get(partition) is owned:  # it has not been revoked meanwhile
            del self.owned[partition]
            self._count()
            self._consumer().pause(self._topic_partition(partition))
            self._discard(owned.producer)
            self._acquire_later(partition, after_s=_AGAIN_AFTER_S)

    async def close(self, within_s: float) -> None:
        """Let the portion in hand finish, or leave it uncommitted, and own nothing any more."""
        self._closed = True
        if self.owned:
            self._consumer().pause(*map(self._topic_partition, self.owned))
        await self._release(within_s)
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=_STOP_LIMIT_S)
        if self._admin is not None:
            admin, self._admin = self._admin, None
            await admin.close()

    async def _release(self, within_s: float) -> None:
        self._generation += 1
        released, self.owned = self.owned, {}
        self._count()
        for task in self._acquiring:
            task.cancel()
        try:
            async with asyncio.timeout(within_s):
                await asyncio.gather(*self._acquiring, self._idle.wait(), return_exceptions=True)
        except TimeoutError:
            log.warning("%s: the portion in hand did not finish and will be repeated", self._source.topic)
        for owned in released.values():
            self._discard(owned.producer)

    def _acquire_later(self, partition: int, *, after_s: float) -> None:
        _hold(self._acquiring, self._acquire(partition, self._generation, after_s))

    async def _acquire(self, partition: int, generation: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        producer = self._source.producer(partition)
        try:
            async with asyncio.timeout(_ACQUIRE_LIMIT_S):
                await start_whole(producer.start, producer.stop)
                position = await self._committed(partition)
            # Nothing may be awaited from here to the end of `_own`.
            if generation == self._generation:
                self._own(partition, producer, position)
            else:
                self._discard(producer)
        except asyncio.CancelledError:
            self._discard(producer)
            raise
        except Exception as error:  # noqa: BLE001 whatever it is, the partition must not stay without an owner
            self._discard(producer)
            self._note_failure(partition, error)
            if generation == self._generation:
                self._acquire_later(partition, after_s=1)

    def _own(self, partition: int, producer: AIOKafkaProducer, position: int) -> None:
        consumer, topic_partition = self._consumer(), self._topic_partition(partition)
        consumer.seek(topic_partition, position)
        self._turns += 1
        self.owned[partition] = Owned(producer, position, self._turns)
        consumer.resume(topic_partition)
        self._count()

    async def _committed(self, partition: int) -> int:
        """Where to go on; 0 where nothing was ever committed: fetching below the oldest record starts at the oldest.

        While the coordinator loads its offsets it answers without the partition. That is no answer.
        """
        topic_partition = self._topic_partition(partition)
        while True:
            admin = self._connected()
            answer = await admin.list_consumer_group_offsets(self._source.group, partitions=[topic_partition])
            if topic_partition in answer:
                return max(int(answer[topic_partition].offset), 0)
            await asyncio.sleep(_ASK_AGAIN_S)

    def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            raise ConnectionError("not connected")
        return self._admin

    def _discard(self, producer: AIOKafkaProducer) -> None:
        """Stop a producer in the background. It may have to wait for Kafka; it cannot commit any more."""
        _hold(self._stopping, leave(producer))

    def _note_failure(self, partition: int, error: Exception) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._silent_until_s:
            self._silent_until_s = now_s + _SILENCE_S
            reason = f"{type(error).__name__} {error}".rstrip()
            log.warning("%s/%d: trying again until it succeeds: %s", self._source.topic, partition, reason)

    def _count(self) -> None:
        telemetry.PARTITIONS_OWNED.set(len(self.owned))

    def _topic_partition(self, partition: int) -> TopicPartition:
        return TopicPartition(self._source.topic, partition)


def _hold(tasks: set[asyncio.Task[None]], work: Coroutine[object, object, None]) -> None:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
