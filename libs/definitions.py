"""The compacted topic of definitions as a local view.

The view has no consumer group: every process reads the whole topic. It is ready once it has read up to the end
that the topic had at start. It goes on serving what it knows while Kafka is away; how old that may be is a metric.
If the reading itself fails, the process ends: a view that silently stopped would serve the past for ever.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, Protocol, get_args

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from libs import telemetry, topics
from libs.clients import start_whole
from libs.messages import Definition, Undecodable, decode_definition

log = logging.getLogger(__name__)

# What happened to each key since the last call, in the order of the log; None is a tombstone.
Changes = Mapping[str, Definition | Undecodable | None]
Apply = Callable[[Changes], Awaitable[None]]

KINDS: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Definition))
"""The kinds of definitions that this version knows, as their keys begin."""

_CONTACT_INTERVAL_MS = 500
_CONNECT_RETRY_S = 1.0
_REACH_LIMIT_S = 10.0


class DefinitionsBehindError(Exception):
    """What was asked for has not been read. It is on its way, or the topic has lost it."""


class Record(Protocol):
    """The part of a Kafka record that the view reads."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


def fold(records: Iterable[Record]) -> dict[str, Definition | Undecodable | None]:
    """Reduce records to the last state of each key. Records without a key cannot be compacted and are passed over."""
    changes: dict[str, Definition | Undecodable | None] = {}
    for record in records:
        if record.key is not None:
            key = record.key.decode(errors="replace")
            changes[key] = None if record.value is None else decode_definition(record.value)
    return changes


class DefinitionsView:
    """Reads the topic and hands what changed to `apply`, one call after the other.

    Definitions of other kinds than `kinds` are passed over: those that this version does not know are for services of
    a later one.

    The first call brings everything that exists, without tombstones; `ready` is true once it has returned. An
    `apply` that needs a consistent snapshot builds a new one and swaps it whole.
    """

    def __init__(self, bootstrap: str, apply: Apply, kinds: Collection[str] = KINDS) -> None:
        self.ready = False
        # Everything before this offset has been applied.
        self.offset = 0
        self._moved = asyncio.Event()
        self._strange: set[str] = set()
        self._bootstrap = bootstrap
        self._apply = apply
        self._kinds = kinds

    async def reach(self, offset: int, *, within_s: float = _REACH_LIMIT_S) -> None:
        """Return once everything before `offset` has been applied.

        Raises:
            DefinitionsBehindError: it was not within `within_s` seconds.
        """
        try:
            async with asyncio.timeout(within_s):
                while self.offset < offset:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError as error:
            raise DefinitionsBehindError(
                f"the definitions are known up to offset {self.offset}, an event needs them up to {offset}"
            ) from error

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            KafkaError: the topic cannot be read. Not while the broker is merely away: that is waited for.
        """
        consumer = await self._connect()
        try:
            await self._load(consumer)
            while True:
                batches = await consumer.getmany(timeout_ms=_CONTACT_INTERVAL_MS)
                self._note_contact(consumer)
                changes = fold(self._wanted(record for batch in batches.values() for record in batch))
                if changes:
                    await self._apply(changes)
                    log.info("definitions changed: %d", len(changes))
                await self._note_offset(consumer)
        finally:
            await consumer.stop()

    async def _connect(self) -> AIOKafkaConsumer:
        said = False
        while True:
            consumer = AIOKafkaConsumer(
                topics.DEFINITIONS,
                bootstrap_servers=self._bootstrap,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            )
            try:
                await start_whole(consumer.start, consumer.stop)
            except KafkaConnectionError:
                if not said:
                    log.warning("Kafka cannot be reached; trying again every %g s", _CONNECT_RETRY_S)
                said = True
                await asyncio.sleep(_CONNECT_RETRY_S)
            else:
                return consumer

    async def _load(self, consumer: AIOKafkaConsumer) -> None:
        ends = await _end_offsets(consumer)
        state: dict[str, Definition | Undecodable | None] = {}
        while not await _reached(consumer, ends):
            batches = await consumer.getmany(timeout_ms=_CONTACT_INTERVAL_MS)
            state.update(fold(self._wanted(record for batch in batches.values() for record in batch)))
        live = {key: definition for key, definition in state.items() if definition is not None}
        await self._apply(live)
        await self._note_offset(consumer)
        self._note_contact(consumer)
        self.ready = True
        log.info("definitions loaded: %d", len(live))

    def _wanted(self, records: Iterable[Record]) -> Iterator[Record]:
        """Those of the kinds that are wanted. Of the others, each kind that is unknown is logged once."""
        for record in records:
            kind = (record.key or b"").partition(b"/")[0].decode(errors="replace")
            if kind in self._kinds:
                yield record
            elif kind not in KINDS and record.key is not None and kind not in self._strange:
                self._strange.add(kind)
                log.warning("definitions of the kind %r are of a later version, and are passed over", kind)

    async def _note_offset(self, consumer: AIOKafkaConsumer) -> None:
        for partition in consumer.assignment():  # the topic has one
            self.offset = await consumer.position(partition)
        self._moved.set()

    @staticmethod
    def _note_contact(consumer: AIOKafkaConsumer) -> None:
        polls = [consumer.last_poll_timestamp(partition) for partition in consumer.assignment()]
        if polls and None not in polls:
            telemetry.VIEW_CONTACT.set(min(polls) / 1000)


async def _end_offsets(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """The end of the topic now. Waits while the topic does not exist yet or its leader is away."""
    while not (partitions := consumer.assignment()):
        await consumer.getmany(timeout_ms=_CONTACT_INTERVAL_MS)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(list(partitions))
    return ends


async def _reached(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    return all([await consumer.position(partition) >= end for partition, end in ends.items()])
