"""What `libs.exactly_once` relies on in Kafka, aiokafka and FastStream, each fact tried on the real ones."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerFenced
from faststream.kafka import KafkaBroker
from faststream.middlewares import AckPolicy

from libs import topics
from libs.exactly_once.broker import message_of, records_of
from libs.exactly_once.outcomes import Output
from libs.exactly_once.transactions import Source, write
from tests.consuming import read_all
from tests.eventually import eventually

MIB = 1024 * 1024


@asynccontextmanager
async def administration(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def create(bootstrap: str, *names: str) -> None:
    limit = {"max.message.bytes": str(topics.RECORD_LIMIT_BYTES)}
    async with administration(bootstrap) as admin:
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=limit) for name in names])
    for name in names:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
            await producer.partitions_for(name)


def source(bootstrap: str, unique: str) -> Source:
    return Source(bootstrap=bootstrap, service=unique, topic=f"{unique}-in")


def output(topic: str, value: bytes) -> Output:
    return Output(topic=topic, key=b"k", value=value, headers=[("h", b"\xff"), ("none", None)], timestamp_ms=7)


async def read(bootstrap: str, topic: str) -> list[bytes]:
    return [record.value for record in await read_all(bootstrap, topic)]


async def settle(it: Source) -> None:
    """Return once every transaction of partition 0 has ended: a new producer has to wait for that."""
    async with it.producer(0):
        pass


async def committed(bootstrap: str, group: str, at: TopicPartition) -> int:
    """As the runner asks, and as often: a coordinator that is still loading leaves the partition out."""
    async with administration(bootstrap) as admin:
        answer: dict[TopicPartition, Any] = {}

        async def answered() -> bool:
            answer.update(await admin.list_consumer_group_offsets(group, partitions=[at]))
            return at in answer

        await eventually(answered)
        return int(answer[at].offset)


async def test_a_transaction_moves_outputs_and_the_offset_together(kafka: str, unique: str) -> None:
    it, out, other = source(kafka, unique), f"{unique}-out", f"{unique}-other"
    await create(kafka, it.topic, out, other)
    async with it.producer(0) as producer:
        done = (TopicPartition(it.topic, 0), 12)
        await write(producer, [output(out, b"1"), output(other, b"2"), output(out, b"3")], done, it.group)
    await settle(it)
    assert (await read(kafka, out), await read(kafka, other)) == ([b"1", b"3"], [b"2"])
    assert await committed(kafka, it.group, TopicPartition(it.topic, 0)) == 12


async def test_a_portion_without_outputs_is_done_as_well(kafka: str, unique: str) -> None:
    it = source(kafka, unique)
    await create(kafka, it.topic)
    async with it.producer(0) as producer:
        await write(producer, [], (TopicPartition(it.topic, 0), 5), it.group)
    await settle(it)
    assert await committed(kafka, it.group, TopicPartition(it.topic, 0)) == 5


async def test_a_new_producer_fences_the_earlier_one_and_ends_its_transaction(kafka: str, unique: str) -> None:
    it, out = source(kafka, unique), f"{unique}-out"
    await create(kafka, it.topic, out)
    at = TopicPartition(it.topic, 0)
    async with it.producer(0) as zombie:
        await zombie.begin_transaction()
        await zombie.send_and_wait(out, b"zombie", partition=0)
        await zombie.send_offsets_to_transaction({at: 99}, it.group)
        async with it.producer(0) as owner:
            assert await committed(kafka, it.group, at) == -1
            await write(owner, [output(out, b"owner")], (at, 1), it.group)
        with pytest.raises((ProducerFenced, KafkaError, AssertionError)):
            await zombie.commit_transaction()
    await settle(it)
    assert await read(kafka, out) == [b"owner"]
    assert await committed(kafka, it.group, at) == 1


async def test_what_was_never_committed_is_asked_for_by_name_and_answered_with_minus_one(
    kafka: str, unique: str
) -> None:
    await create(kafka, unique)
    assert await committed(kafka, f"{unique}-group", TopicPartition(unique, 0)) == -1


async def test_reading_below_the_oldest_record_goes_on_at_the_oldest(kafka: str, unique: str) -> None:
    await create(kafka, unique)
    at = TopicPartition(unique, 0)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(4):
            await producer.send_and_wait(unique, b"%d" % number)
    async with administration(kafka) as admin:
        await admin.delete_records({at: RecordsToDelete(before_offset=2)})
    async with AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign([at])
        consumer.seek(at, 0)
        assert (await asyncio.wait_for(consumer.getone(), 30)).offset == 2


async def test_a_commit_succeeds_although_a_record_failed(kafka: str, unique: str) -> None:
    """Why every record is waited for before the commit."""
    it, out = source(kafka, unique), f"{unique}-out"
    await create(kafka, it.topic, out)
    async with it.producer(0) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(out, b"good", partition=0)
        batch = producer.create_batch()
        batch.append(timestamp=None, key=None, value=b"x" * (topics.RECORD_LIMIT_BYTES + 1))
        failed = await producer.send_batch(batch, out, partition=0)
        await producer.commit_transaction()
        with pytest.raises(MessageSizeTooLargeError):
            await failed
    await settle(it)
    assert await read(kafka, out) == [b"good"]


async def test_a_transaction_with_a_record_that_the_topic_refuses_does_not_become_visible(
    kafka: str, unique: str
) -> None:
    it, out = source(kafka, unique), f"{unique}-out"
    await create(kafka, it.topic, out)
    at = TopicPartition(it.topic, 0)
    async with it.producer(0) as producer:
        outputs = [output(out, b"good"), output(out, b"x" * (topics.RECORD_LIMIT_BYTES + 1))]
        with pytest.raises(MessageSizeTooLargeError):
            await write(producer, outputs, (at, 1), it.group)
    await settle(it)
    assert await committed(kafka, it.group, at) == -1
    assert await read(kafka, out) == []


async def test_records_of_any_size_up_to_the_limit_are_written_and_read_in_order(kafka: str, unique: str) -> None:
    it, out = source(kafka, unique), f"{unique}-out"
    await create(kafka, it.topic, out)
    values = [b"a", b"b" * (topics.RECORD_LIMIT_BYTES - 1024), b"c", *[b"d" * 700_000] * 3, b"e"]
    async with it.producer(0) as producer:
        await write(producer, [output(out, value) for value in values], (TopicPartition(it.topic, 0), 1), it.group)
    await settle(it)
    assert await read(kafka, out) == values


async def test_a_full_batch_takes_no_record_and_says_so(kafka: str, unique: str) -> None:
    async with source(kafka, unique).producer(0) as producer:
        batch = producer.create_batch()
        assert batch.append(timestamp=1, key=None, value=b"x" * (5 * MIB)) is not None
        assert batch.append(timestamp=1, key=None, value=b"") is None
        assert batch.record_count() == 1


Handler = Callable[[Any], Coroutine[None, None, None]]


@asynccontextmanager
async def subscribed(bootstrap: str, topic: str, handler: Handler) -> AsyncIterator[AIOKafkaConsumer]:
    """FastStream as the runner uses it."""
    broker = KafkaBroker(bootstrap, logger=None, consumer_only=True)
    subscriber = broker.subscriber(
        topic,
        batch=True,
        max_records=2,
        batch_timeout_ms=10,
        group_id=topic,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        parser=message_of,
        decoder=records_of,
    )
    subscriber(handler)
    await broker.start()
    try:
        yield subscriber.consumer
    finally:
        await broker.stop()


async def test_faststream_hands_over_the_records_whatever_is_in_their_headers(kafka: str, unique: str) -> None:
    await create(kafka, unique)
    seen: list[Any] = []

    async def handler(records: object) -> None:
        assert isinstance(records, tuple)
        seen.extend(records)

    headers = [("reply_to", b"elsewhere"), ("binary", b"\xff\xfe"), ("none", None)]
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer, subscribed(kafka, unique, handler):
        await producer.send_and_wait(unique, b"v", key=b"k", headers=headers)

        async def arrived() -> bool:
            return bool(seen)

        await eventually(arrived)
    (record,) = seen
    assert (record.topic, record.partition, record.offset, record.key, record.value) == (unique, 0, 0, b"k", b"v")
    assert list(record.headers) == headers


async def test_after_a_handler_that_raised_faststream_goes_on_with_the_next_batch_and_commits_nothing(
    kafka: str, unique: str
) -> None:
    """Why the handler never raises, and why the runner seeks back by itself."""
    await create(kafka, unique)
    seen: list[int] = []

    async def handler(records: Any) -> None:  # noqa: ANN401 whatever FastStream brings
        seen.extend(record.offset for record in records)
        raise ValueError("a step failed")

    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for _ in range(4):
            await producer.send_and_wait(unique, b"v")
    async with subscribed(kafka, unique, handler):

        async def passed_over() -> bool:
            return seen == [0, 1, 2, 3]

        await eventually(passed_over)
    assert await committed(kafka, unique, TopicPartition(unique, 0)) == -1


async def test_a_paused_partition_gives_no_records_and_goes_on_where_it_is_sought(kafka: str, unique: str) -> None:
    await create(kafka, unique)
    seen: list[int] = []

    async def handler(records: Any) -> None:  # noqa: ANN401 whatever FastStream brings
        seen.extend(record.offset for record in records)

    async def read_up_to(offset: int) -> None:
        async def there() -> bool:
            return offset in seen

        await eventually(there)

    at = TopicPartition(unique, 0)
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka) as producer,
        subscribed(kafka, unique, handler) as consumer,
    ):
        for _ in range(3):
            await producer.send_and_wait(unique, b"v")
        await read_up_to(2)
        consumer.pause(at)
        await producer.send_and_wait(unique, b"v")
        consumer.seek(at, 1)
        consumer.resume(at)
        await read_up_to(3)
    assert seen == [0, 1, 2, 1, 2, 3]
