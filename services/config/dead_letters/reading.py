"""Reading ``inlet.dead-letters`` up to where it ends now. What is kept in memory are positions, and some records.

What is committed is read, up to the end of what is written. To a reader of what is committed the topic seems to end
where the first open transaction begins, of normalizer and trigger too, and a resolution may lie behind that: so the
ends are those of a reader of everything, and open transactions are waited for.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.structs import ConsumerRecord
from msgspec import Struct, field

from libs import topics
from libs.consumers import consumer_of, partitions_of
from libs.exactly_once.outcomes import portions
from services.config.dead_letters.letters import Key, Letter, Place, Resolution, Wanted, read
from services.config.errors import UnavailableError

_AT_ONCE: Final = 500
_AT_ONCE_BYTES: Final = 4 * 1024 * 1024
_POLL_MS: Final = 500
# Longer than a transaction of a process that died stays open.
_PROGRESS_LIMIT_S: Final = 30.0


class Open(Struct):
    """Of one partition, the dead letters that are meant: the cause of each by its offset, in order, if it is open.

    `resolved` are the resolutions of those that are not.
    """

    causes: dict[int, str] = field(default_factory=dict)
    resolved: dict[int, Resolution] = field(default_factory=dict)


class Found(NamedTuple):
    """A dead letter with its record, and with the resolution of it if it is not open."""

    letter: Letter
    record: ConsumerRecord
    resolution: Resolution | None


class Listed(NamedTuple):
    """Some of the dead letters that are meant, and how many are open, by cause."""

    causes: Counter[str]
    letters: list[Letter]

    @classmethod
    def nothing(cls) -> "Listed":
        return cls(Counter(), [])


class DeadLetters:
    """The topic as it is at one time. Every call raises `UnavailableError` when Kafka does not answer."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        begins: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
    ) -> None:
        self._consumer = consumer
        self._begins = begins
        self.ends = ends

    @property
    def partitions(self) -> list[TopicPartition]:
        """All of them, in order."""
        return sorted(self.ends)

    async def open_in(self, partition: TopicPartition, wanted: Wanted, *, before: int | None = None) -> Open:
        """What of it is meant, with an offset less than `before`."""
        found = Open()
        if wanted.place is not None and wanted.place.partition != partition.partition:
            return found
        async for records in self._read(partition, await self._begin(partition, wanted), self.ends[partition]):
            for record in records:
                match read(record):
                    case Resolution() as resolution:
                        for offset in resolution.offsets:
                            if found.causes.pop(offset, None) is not None:
                                found.resolved[offset] = resolution
                    case letter if (before is None or record.offset < before) and wanted.fits(letter):
                        found.causes[record.offset] = letter.cause
                    case _:
                        pass
        return found

    async def portions(
        self, partition: TopicPartition, offsets: Mapping[int, object], at_once: int
    ) -> AsyncIterator[list[ConsumerRecord]]:
        """The records with these offsets, so many at once, or fewer if they are large."""
        if not offsets:
            return
        async for records in self._read(partition, min(offsets), max(offsets) + 1):
            some = [record for record in records if record.offset in offsets]
            for start in range(0, len(some), at_once):
                for portion in portions(some[start : start + at_once], _weight, _AT_ONCE_BYTES):
                    yield portion

    async def count(self, wanted: Wanted) -> Counter[str]:
        """How many that are meant are open, by cause."""
        counted: Counter[str] = Counter()
        for partition in self.partitions:
            counted.update((await self.open_in(partition, wanted)).causes.values())
        return counted

    async def page(self, wanted: Wanted, limit: int, older_than: Key | None = None) -> Listed:
        """The newest that are meant and open, of those that are older than one, the newest last."""
        causes: Counter[str] = Counter()
        newest: list[Letter] = []
        for partition in self.partitions:
            found = await self.open_in(partition, wanted)
            causes.update(found.causes.values())
            async for records in self.portions(partition, found.causes, _AT_ONCE):
                letters = [one for one in _letters(records) if older_than is None or one.key < older_than]
                newest = sorted([*newest, *letters], key=lambda one: one.key)[-limit:]
        return Listed(causes, newest)

    async def at(self, place: Place) -> Found | None:
        """The one at a place, open or not; None if there is none, any more."""
        partition = TopicPartition(topics.DEAD_LETTERS, place.partition)
        if not self._begins.get(partition, 0) <= place.offset < self.ends.get(partition, 0):
            return None
        state = await self.open_in(partition, Wanted(place=place))
        async for records in self.portions(partition, {place.offset: None}, 1):
            for record in records:
                letter = read(record)
                if isinstance(letter, Letter):
                    return Found(letter, record, state.resolved.get(place.offset))
        return None

    async def _begin(self, partition: TopicPartition, wanted: Wanted) -> int:
        """Where what is meant can begin. A record of a time is not before the first one of it or later."""
        if wanted.place is not None:
            return max(wanted.place.offset, self._begins[partition])
        if wanted.since is not None:
            since_ms = max(0, int(wanted.since.timestamp() * 1000))
            found = (await self._consumer.offsets_for_times({partition: since_ms}))[partition]
            return self.ends[partition] if found is None else int(found.offset)
        return self._begins[partition]

    async def _read(self, partition: TopicPartition, begin: int, end: int) -> AsyncIterator[list[ConsumerRecord]]:
        if begin >= end:
            return
        self._consumer.assign([partition])
        self._consumer.seek(partition, begin)
        clock = asyncio.get_running_loop().time
        position, since_s = begin, clock()
        while position < end:
            read_ = await self._consumer.getmany(partition, timeout_ms=_POLL_MS, max_records=_AT_ONCE)
            records = [record for record in read_.get(partition, ()) if record.offset < end]
            if records:
                yield records
            now_at = await self._consumer.position(partition)
            if now_at != position:
                position, since_s = now_at, clock()
            elif clock() - since_s > _PROGRESS_LIMIT_S:
                raise UnavailableError("Kafka does not give what it has. Try again.")


@contextmanager
def answering() -> Iterator[None]:
    """What Kafka does not do is an `UnavailableError`."""
    try:
        yield
    except UnknownTopicOrPartitionError as error:
        raise UnavailableError(f"There is no {topics.DEAD_LETTERS}. Create it: python -m services topics.") from error
    except (KafkaError, OSError) as error:  # the latter is a time-out too
        raise UnavailableError("Kafka does not answer at the moment. Try again.") from error


@asynccontextmanager
async def opened(bootstrap: str) -> AsyncIterator[DeadLetters]:
    """The topic as it is now."""
    with answering():
        partitions = await partitions_of(bootstrap, topics.DEAD_LETTERS)
        async with consumer_of(bootstrap, isolation_level="read_uncommitted") as everything:
            begins = await everything.beginning_offsets(partitions)
            ends = await everything.end_offsets(partitions)
        async with consumer_of(bootstrap) as consumer:
            yield DeadLetters(consumer, begins, ends)


def _letters(records: list[ConsumerRecord]) -> Iterator[Letter]:
    for record in records:
        letter = read(record)
        if isinstance(letter, Letter):
            yield letter


def _weight(record: ConsumerRecord) -> int:
    return len(record.value or b"")
