"""Replaying and discarding dead letters: each is resolved once, whoever is asked, and whatever dies.

The order of the steps is the guarantee:

1. A run fences every run before it: there is one transactional id for all of them. What an earlier one has begun is
   committed or aborted then, and it can commit nothing more.
2. The run notes where the topic ends now, and reads up to there what is resolved.
3. Of what is open and meant it writes, portion by portion, in one transaction the records as they were, to the
   partitions that they came from, and behind the dead letters the resolution of them.
4. Whatever fails ends the run. What is not known to be committed is found out by the next one, at 2.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import ConsumerRecord
from msgspec import Struct

from libs.clients import start_whole
from libs.exactly_once.transactions import TRANSACTION_LIMIT_S, leave, send, transactional
from services.config.dead_letters.letters import UNKNOWN, Action, Wanted, original, resolution
from services.config.dead_letters.reading import opened
from services.config.errors import ConflictError, UnavailableError

_TRANSACTIONAL_ID: Final = "inlet-dead-letters"
# Longer than what a run that died has begun can last.
_START_WITHIN_S: Final = 30.0
_LEAVE_WITHIN_S: Final = 3.0


AT_ONCE: Final = 100


class Order(Struct, frozen=True, kw_only=True):
    """What shall become of which dead letters, at most so many in one transaction.

    `before` are the ends of the partitions as they were when the dead letters were counted: those that have come since
    are not meant.
    """

    action: Action
    wanted: Wanted
    before: Mapping[TopicPartition, int]
    at_once: int = AT_ONCE


async def resolve(bootstrap: str, order: Order) -> AsyncGenerator[int, None]:
    """Carry it out; after each transaction, how many dead letters it has resolved.

    Raises:
        ConflictError: another run has begun since.
        UnavailableError: Kafka does not answer. The last portion may be resolved or not, and is not in between.
    """
    async with fencing(bootstrap) as producer, opened(bootstrap) as letters:
        for partition in letters.partitions:
            before = order.before.get(partition, 0)
            found = await letters.open_in(partition, order.wanted, before=before)
            causes = {at: cause for at, cause in found.causes.items() if can(order.action, cause)}
            async for records in letters.portions(partition, causes, order.at_once):
                await _commit(producer, order.action, partition, records)
                yield len(records)


def can(action: Action, cause: str) -> bool:
    """Whether that can become of a dead letter with this cause."""
    return action == "discarded" or cause != UNKNOWN


@asynccontextmanager
async def fencing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """The producer of a run that ends every run before it, also what one that died has begun.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    producer = transactional(bootstrap, _TRANSACTIONAL_ID)
    with _failing():
        async with asyncio.timeout(_START_WITHIN_S):
            await start_whole(producer.start, producer.stop)
    try:
        yield producer
    finally:
        await asyncio.wait([asyncio.create_task(leave(producer))], timeout=_LEAVE_WITHIN_S)


@contextmanager
def _failing() -> Iterator[None]:
    """What a producer fails with, as an error of ours. It must not be used any more."""
    try:
        yield
    except ProducerFenced as error:
        raise ConflictError(
            "Another replay or discard of dead letters has begun and ended this one. What is done stays done; when the "
            "other has ended, repeat this for the rest."
        ) from error
    except (KafkaError, OSError, AssertionError) as error:
        raise UnavailableError("Kafka did not confirm. What is done stays done; repeat this for the rest.") from error


async def _commit(
    producer: AIOKafkaProducer, action: Action, partition: TopicPartition, records: Sequence[ConsumerRecord]
) -> None:
    now = datetime.now(UTC)
    resolved = resolution(action, [record.offset for record in records], now)
    outputs = {partition: [resolved]}
    for record in records if action == "replayed" else ():
        output = original(record, resolved.timestamp_ms)
        outputs.setdefault(TopicPartition(output.topic, partition.partition), []).append(output)
    with _failing():
        async with asyncio.timeout(TRANSACTION_LIMIT_S):
            await producer.begin_transaction()
            # A commit succeeds although a record failed, so each is waited for.
            await asyncio.gather(*(send(producer, to.topic, to.partition, some) for to, some in outputs.items()))
            await producer.commit_transaction()
