"""A topic in Kafka: the records of one tick of the event loop share batches.

The batches for one broker are a round, and there is one request on its way to a broker at a time (aiokafka sees to
that). So what arrives before a round is confirmed waits for the next one, outside of batches that are closed already:
with nothing on its way a record goes at once, and batches grow with the load by themselves. Records without a place
go anywhere: all of a round to one partition, in each round to another.
"""

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata
from msgspec import Struct

from libs.messages import Position
from services.ingress.acceptance import Record
from services.ingress.connection import Connection
from services.ingress.patience import Patience

log = logging.getLogger(__name__)

# After this time a round holds nobody back any more but the partitions that are not confirmed.
_ROUND_S: Final = 0.05


def partition_of(place: str, partitions: int) -> int:
    """Where the records of a place (hex digits) meet; the same in every ingress."""
    return int(place[:8], 16) % partitions


class _Waiting(Struct, eq=False):
    """A record whose request waits. `position` is set once; None means not confirmed in time."""

    record: Record
    size: int
    queue: "_Queue"
    position: asyncio.Future[Position | None]


# In the order of arrival. Kafka has not been given what is in here.
_Queue = dict[_Waiting, None]


class _Batch(NamedTuple):
    """Records that have been taken out of their queues for one partition."""

    producer: AIOKafkaProducer
    partition: int
    builder: BatchBuilder
    taken: Sequence[_Waiting]


class _Sent(NamedTuple):
    """Where a batch is on its way to, and until when the broker's other partitions wait for it."""

    broker: int | None
    over_s: float


class BatchProducer:
    """The `RecordLog` in Kafka."""

    def __init__(self, connection: Connection, *, timeout_s: float, pending_limit_bytes: int) -> None:
        self._connection = connection
        self._patience = Patience(timeout_s, self._give_up)
        self._pending_limit_bytes = pending_limit_bytes
        self._pending_bytes = 0
        self._placed: defaultdict[int, _Queue] = defaultdict(dict)
        self._free: _Queue = {}
        self._free_partition = 0
        self._brokers: set[int | None] = set()
        self._in_flight: dict[tuple[AIOKafkaProducer, int], _Sent] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._flush_is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._confirming = True

    async def append(self, record: Record) -> Position | None:
        """See `RecordLog`. A record that Kafka had not been given at the time-out is certainly not stored."""
        size = len(record.value) + sum([len(value) for _, value in record.headers])
        if self._connection.producer is None or self._pending_bytes + size > self._pending_limit_bytes:
            return None
        queue = self._free
        if record.place is not None:
            queue = self._placed[partition_of(record.place, self._connection.partitions)]
        waiting = _Waiting(record, size, queue, asyncio.get_running_loop().create_future())
        queue[waiting] = None
        self._pending_bytes += size
        self._flush_soon()
        self._patience.begin(waiting)
        try:
            return await waiting.position
        finally:
            self._patience.end(waiting)

    def _give_up(self, waiting: _Waiting) -> None:
        """Answer a request whose time is over. What Kafka has been given stays there, whatever becomes of it."""
        if waiting in waiting.queue:
            del waiting.queue[waiting]
            self._pending_bytes -= waiting.size
        _settle(waiting, None)
        self._note(confirming=False)

    def _flush(self) -> None:
        """Send to every broker that confirms nothing now."""
        self._flush_is_due = False
        producer = self._connection.producer
        if producer is None:
            return
        now = asyncio.get_running_loop().time()
        waited_for = [one for (by, _), one in self._in_flight.items() if by is producer and one.over_s > now]
        busy = {one.broker for one in waited_for}
        if waited_for and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(min(one.over_s for one in waited_for), self._expire)
        if busy and busy >= self._brokers:
            return
        started: list[_Batch] = []
        for partition, broker in self._leaders(producer):
            queues = [queue for queue in (self._placed[partition], self._free) if queue]
            if queues and broker not in busy and (producer, partition) not in self._in_flight:
                if self._free:
                    self._free_partition = partition + 1
                self._in_flight[producer, partition] = _Sent(broker, now + _ROUND_S)
                batch = producer.create_batch()
                started.append(_Batch(producer, partition, batch, _fill(batch, queues)))
        if started:
            sending = asyncio.create_task(self._send(started))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    def _expire(self) -> None:
        self._timer = None
        self._flush()

    def _leaders(self, producer: AIOKafkaProducer) -> list[tuple[int, int | None]]:
        """The partitions with their brokers, beginning with the one whose turn it is for records without a place."""
        count, cluster = self._connection.partitions, producer.client.cluster
        order = ((self._free_partition + index) % count for index in range(count))
        led = [(one, cluster.leader_for_partition(TopicPartition(self._connection.topic, one))) for one in order]
        self._brokers = {broker for _, broker in led}
        return led

    async def _send(self, batches: Sequence[_Batch]) -> None:
        for one in batches:
            try:
                delivery = await one.producer.send_batch(one.builder, self._connection.topic, partition=one.partition)
            except Exception as error:  # noqa: BLE001 whatever it is, these records are not confirmed
                self._settle_all(one, error)
            else:
                delivery.add_done_callback(partial(self._delivered, one))

    def _delivered(self, batch: _Batch, delivery: asyncio.Future[RecordMetadata]) -> None:
        error = asyncio.CancelledError() if delivery.cancelled() else delivery.exception()
        # An idempotent producer repeats until Kafka confirms; -1 is its "stored once, but I do not know where".
        self._settle_all(batch, error, -1 if error else delivery.result().offset)

    def _settle_all(self, batch: _Batch, error: BaseException | None, offset: int = -1) -> None:
        if error is not None:
            # Their sequence numbers are used up, so Kafka would refuse every later batch of this producer.
            log.warning("a batch failed (%s): replacing the producer", type(error).__name__)
            self._connection.replace(batch.producer)
        for index, waiting in enumerate(batch.taken):
            self._pending_bytes -= waiting.size
            _settle(waiting, Position(batch.partition, offset + index) if offset >= 0 else None)
        self._note(confirming=offset >= 0)
        del self._in_flight[batch.producer, batch.partition]
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _note(self, *, confirming: bool) -> None:
        if confirming is not self._confirming:
            self._confirming = confirming
            said = "Kafka confirms %s again" if confirming else "Kafka does not confirm %s"
            log.warning(said, self._connection.topic)


def _fill(batch: BatchBuilder, queues: Iterable[_Queue]) -> list[_Waiting]:
    """Move records to a batch until it is full, from one queue after the other."""
    taken = []
    for waiting in itertools.chain.from_iterable(queues):
        key, value, headers, _ = waiting.record
        if batch.append(timestamp=None, key=key.encode(), value=value, headers=headers) is None:
            break
        taken.append(waiting)
    for waiting in taken:
        del waiting.queue[waiting]
    return taken


def _settle(waiting: _Waiting, position: Position | None) -> None:
    if not waiting.position.done():
        waiting.position.set_result(position)
