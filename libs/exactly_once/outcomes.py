"""The values between the runner and a service: the records it reads, and what becomes of each of them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from libs import topics
from libs.activity import Pointer
from libs.replays import origin_of

log = logging.getLogger(__name__)

Headers = Sequence[tuple[str, bytes | None]]

# The Kafka headers that a dead letter carries beside those of its original.
CAUSE: Final = "inlet-cause"
SERVICE: Final = "inlet-service"
TOPIC: Final = "inlet-topic"
PARTITION: Final = "inlet-partition"
OFFSET: Final = "inlet-offset"

UNEXPECTED: Final = "unexpected-error"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# How much input is decided about before heartbeats get their turn.
_TURN_BYTES: Final = 256 * 1024
# After this time the next partition has its turn, and what is decided can be committed.
_TURN_LIMIT_S: Final = 0.5
# After such a turn: a heartbeat or an answer takes several steps of the event loop, not one between two long turns.
_PAUSE_S: Final = 0.02


class Record(Protocol):
    """What is read from a record of the input topic; aiokafka's ``ConsumerRecord`` is one."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Output(Struct, frozen=True, kw_only=True):
    """A record to write, to the partition of the same number as that of its input."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int


class NotNowError(Exception):
    """What a decision needs cannot be had now. The record waits: it is not poison."""


class DeadLetter(Struct, frozen=True):
    """The end of a record that no repetition can help. Causes are few fixed words: they label a metric."""

    cause: str


TOO_LARGE: Final = DeadLetter("too-large")
TOO_COSTLY: Final = DeadLetter("too-costly")
# Whoever sends can bring these about: they say nothing against the service.
BLAMELESS: Final = (TOO_LARGE, TOO_COSTLY)

# What a record leads to: records to write, none where it is dropped on purpose, or its end as a dead letter.
Outcome = Sequence[Output] | DeadLetter


class Ended(NamedTuple):
    """What the owner of an integration is told of a record that goes no further."""

    integration_id: str
    pointer: Pointer


class Decision(NamedTuple):
    """What becomes of a record, and what is told of it on ``inlet.activity``, if anything."""

    outcome: Outcome
    ended: Ended | None = None


T = TypeVar("T")
ItemT = TypeVar("ItemT")


async def _at_once() -> None:
    """Wait for nothing."""


class Stage(Struct, frozen=True, kw_only=True):
    """One service's part of the pipeline.

    `step` decides about records of one partition, in order: one decision for each, or for the first of them, at least
    one, where all would take long. Whatever it raises is transient: nothing is written and the same records come
    again. `committed` is told the outcomes once they are durable.
    Nothing is read before `ready` has returned.
    """

    service: str
    topic: str
    step: Callable[[Sequence[Record]], Awaitable[Sequence[Decision]]]
    committed: Callable[[Sequence[Outcome]], None]
    ready: Callable[[], Awaitable[object]] = _at_once


class Decider(Generic[T]):
    """Applies a pure decision to the records of all partitions, one portion after the other.

    However many portions wait, the event loop and with it heartbeats and transactions get their turn often.
    """

    def __init__(self, turn_limit_s: float = _TURN_LIMIT_S) -> None:
        self._turn = asyncio.Lock()
        self._turn_limit_s = turn_limit_s

    async def each(self, decide: Callable[[Record], T | DeadLetter], records: Sequence[Record]) -> list[T | DeadLetter]:
        """Decide about the records, or about the first of them, at least one, if the time limit is over before.

        One that raises is a poison record, not the end of its partition.

        Raises:
            NotNowError: a decision has to wait, and with it all behind it.
        """
        decisions: list[T | DeadLetter] = []
        turn_bytes = 0
        async with self._turn:
            end_s = time.monotonic() + self._turn_limit_s
            for record in records:
                decisions.append(_attempt(decide, record))
                if time.monotonic() >= end_s:
                    await asyncio.sleep(_PAUSE_S)
                    break
                turn_bytes += len(record.value or b"")
                if turn_bytes > _TURN_BYTES:
                    turn_bytes = 0
                    await asyncio.sleep(0)
        return decisions


def _attempt(decide: Callable[[Record], T | DeadLetter], record: Record) -> T | DeadLetter:
    try:
        return decide(record)
    except NotNowError:
        raise
    except Exception as error:  # noqa: BLE001 the decision is pure, so repeating it would raise again
        at = (record.topic, record.partition, record.offset, type(error).__name__)
        log.error("dead letter: record %s/%d/%d: %s", *at)  # noqa: TRY400 the traceback may quote the payload
        return DeadLetter(UNEXPECTED)


def outputs_of(service: str, record: Record, outcome: Outcome) -> Sequence[Output]:
    """What to write for a record: its outputs, or the dead letter with the original key, bytes and headers."""
    if not isinstance(outcome, DeadLetter):
        return outcome
    headers = [
        *record.headers,
        (CAUSE, outcome.cause.encode()),
        (SERVICE, service.encode()),
        (TOPIC, record.topic.encode()),
        (PARTITION, b"%d" % record.partition),
        (OFFSET, b"%d" % record.offset),
    ]
    return [
        Output(
            topic=topics.DEAD_LETTERS,
            key=record.key,
            value=record.value,
            headers=headers,
            timestamp_ms=record.timestamp,
        )
    ]


def timestamp_of(received_at: datetime, record: Record) -> int:
    """The time of receipt as a Kafka timestamp, in milliseconds.

    Never later than that of the record itself, which the broker has accepted: it refuses what is from the future. Of a
    replay it is that of the record: what was received weeks ago would otherwise be deleted before anybody reads it.

    Raises:
        ValueError: the time of receipt has no time zone.
    """
    if received_at.tzinfo is None:
        raise ValueError("no time zone")
    if origin_of(record.headers) is not None:
        return record.timestamp
    return max(0, min((received_at - _EPOCH) // timedelta(milliseconds=1), record.timestamp))


def portions(items: Iterable[ItemT], weigh: Callable[[ItemT], int], limit_bytes: int) -> Iterator[list[ItemT]]:
    """Split items, in order, where their weights exceed the limit; a heavier one stands alone."""
    portion: list[ItemT] = []
    total = 0
    for item in items:
        weight = weigh(item)
        if portion and total + weight > limit_bytes:
            yield portion
            portion, total = [], 0
        portion.append(item)
        total += weight
    if portion:
        yield portion
