"""A topic in Kafka: the records of one tick of the event loop share batches.

A partition has at most one batch in flight and what arrives meanwhile forms the next, so batches grow with the load
by themselves. Records without a place go anywhere: one batch at a time, each on another partition.
"""

import asyncio
import logging
from collections import defaultdict
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from msgspec import Struct

from libs.messages import Position
from services.ingress.acceptance import Record
from services.ingress.connection import Connection
from services.ingress.patience import Patience

log = logging.getLogger(__name__)

# After this time without an answer, freely placed records no longer wait for their batch in flight.
_PATIENCE_S: Final = 0.05


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
        self._free_not_before = 0.0
        self._in_flight: set[tuple[AIOKafkaProducer, int]] = set()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._flush_is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._confirming = True

    async def append(self, record: Record) -> Position | None:
        """See `RecordLog`. A record that Kafka had not been given at the time-out is certainly not stored."""
        size = len(record.value) + sum(len(value) for _, value in record.headers)
        if self._connection.producer is None or self._pending_bytes + size > self._pending_limit_bytes:
            return None
        queue = self._free
        if record.place is not None:
            queue = self._placed[partition_of(record.place, self._connection.partitions)]
        loop = asyncio.get_running_loop()
        waiting = _Waiting(record, size, queue, loop.create_future())
        queue[waiting] = None
        self._pending_bytes += size
        if not self._flush_is_due:
            self._flush_is_due = True
            loop.call_soon(self._flush)
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
        self._flush_is_due = False
        producer = self._connection.producer
        if producer is None:
            return
        for partition, queue in self._placed.items():
            if queue and (producer, partition) not in self._in_flight:
                self._send(producer, partition, queue)
        loop = asyncio.get_running_loop()
        if self._free and loop.time() >= self._free_not_before:
            self._send_free(producer, loop.time())
        elif self._free and self._timer is None:
            self._timer = loop.call_at(self._free_not_before, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._flush()

    def _send_free(self, producer: AIOKafkaProducer, now: float) -> None:
        """Send the freely placed records to the next partition without a batch in flight; what is left to others."""
        for _ in range(self._connection.partitions):
            self._free_partition = (self._free_partition + 1) % self._connection.partitions
            if (producer, self._free_partition) not in self._in_flight:
                self._send(producer, self._free_partition, self._free)
                self._free_not_before = now + _PATIENCE_S
            if not self._free:
                return

    def _send(self, producer: AIOKafkaProducer, partition: int, queue: _Queue) -> None:
        batch = producer.create_batch()
        taken = _fill(batch, queue)
        self._in_flight.add((producer, partition))
        delivery = asyncio.create_task(self._deliver(producer, partition, batch, taken))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    async def _deliver(
        self, producer: AIOKafkaProducer, partition: int, batch: BatchBuilder, taken: list[_Waiting]
    ) -> None:
        # An idempotent producer repeats until Kafka confirms; -1 is its "stored once, but I do not know where".
        offset = -1
        try:
            delivered = await producer.send_batch(batch, self._connection.topic, partition=partition)
            offset = (await delivered).offset
        except Exception as error:  # noqa: BLE001 whatever it is, these records are not confirmed
            # Their sequence numbers are used up, so Kafka would refuse every later batch of this producer.
            log.warning("a batch failed (%s): replacing the producer", type(error).__name__)
            self._connection.replace(producer)
        for index, waiting in enumerate(taken):
            self._pending_bytes -= waiting.size
            _settle(waiting, Position(partition, offset + index) if offset >= 0 else None)
        self._note(confirming=offset >= 0)
        self._in_flight.remove((producer, partition))
        self._free_not_before = 0.0
        self._flush()

    def _note(self, *, confirming: bool) -> None:
        if confirming is not self._confirming:
            self._confirming = confirming
            said = "Kafka confirms %s again" if confirming else "Kafka does not confirm %s"
            log.warning(said, self._connection.topic)


def _fill(batch: BatchBuilder, queue: _Queue) -> list[_Waiting]:
    """Move records from a queue to a batch until it is full."""
    taken = []
    for waiting in queue:
        key, value, headers, _ = waiting.record
        if batch.append(timestamp=None, key=key.encode(), value=value, headers=headers) is None:
            break
        taken.append(waiting)
    for waiting in taken:
        del queue[waiting]
    return taken


def _settle(waiting: _Waiting, position: Position | None) -> None:
    if not waiting.position.done():
        waiting.position.set_result(position)
