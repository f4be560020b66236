"""The producer of ``inlet.requests`` on a real broker, and on one that fails."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import blake2b

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from deploy.local.process import Process
from libs import topics
from libs.identifiers import new_event_id
from libs.messages import IntegrationRef, Position, Source, ascii_json, encode_metadata
from services.ingress.acceptance import Record
from services.ingress.connection import BATCH_BYTES, Connection
from services.ingress.producer import BatchProducer, partition_of
from tests.consuming import read_all
from tests.eventually import eventually

SHORT_S = 1.0
# Far from tight: a machine that is busy may stall for seconds.
BOUND_S = 10.0

# Others read the topic, too: the records are requests as the ingress makes them.
METADATA = encode_metadata(
    event_id=new_event_id(),
    received_at="2026-01-31T09:15:30.123456Z",
    source=ascii_json(Source(workspace="w", integration=IntegrationRef(id="producer", name="n", version=1))),
    headers={},
    deduplicated=False,
    definitions_offset=0,
)


class Bench:
    """A producer that waits long for new topics to get their leaders, or only for a short time."""

    def __init__(self, bootstrap: str, *, timeout_s: float = 30, limit_bytes: int = 64 * 1024 * 1024) -> None:
        self.bootstrap = bootstrap
        self.connection = Connection(bootstrap, topics.REQUESTS)
        self.log = BatchProducer(self.connection, timeout_s=timeout_s, pending_limit_bytes=limit_bytes)

    async def is_connected(self) -> bool:
        return self.connection.producer is not None

    async def has_a_batch_in_flight(self) -> bool:
        return bool(self.log._in_flight)

    async def append(self, name: str, value: bytes = b"{}", *, placed: bool = False) -> Position | None:
        """Append a record; a placed one has the hash of `name` for its key."""
        key = blake2b(name.encode(), digest_size=16).hexdigest() if placed else name
        return await self.log.append(Record(key, value, METADATA, place=key if placed else None))

    async def until_taken(self, name: str, value: bytes = b"{}") -> None:
        async def is_taken() -> bool:
            return await self.append(name, value) is not None

        await eventually(is_taken, within_s=60)

    async def values(self) -> dict[Position, ConsumerRecord]:
        """The whole topic as it is now."""
        found = await read_all(self.bootstrap, topics.REQUESTS)
        return {Position(record.partition, record.offset): record for record in found}


def body_of(size: int) -> bytes:
    return b"{}".ljust(size)


@asynccontextmanager
async def connected(bench: Bench) -> AsyncIterator[Bench]:
    running = asyncio.create_task(bench.connection.run())
    try:
        await eventually(bench.is_connected)
        yield bench
        assert not running.done()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_every_position_is_where_its_record_is(kafka: str, unique: str) -> None:
    await topics.ensure_topics(kafka)
    async with connected(Bench(kafka)) as bench:
        names = [f"{unique}-{index}" for index in range(2000)]
        positions = await asyncio.gather(*map(bench.append, names))
        records = await bench.values()
    assert len(set(positions)) == 2000
    for name, position in zip(names, positions, strict=True):
        assert position is not None
        assert records[position].key.decode() == name
        assert list(records[position].headers) == METADATA


async def test_records_of_one_hash_meet_in_its_partition_in_order(kafka: str, unique: str) -> None:
    await topics.ensure_topics(kafka)
    async with connected(Bench(kafka)) as bench:
        positions = await asyncio.gather(*(bench.append(unique, placed=True) for _ in range(50)))
        partition = partition_of(blake2b(unique.encode(), digest_size=16).hexdigest(), bench.connection.partitions)
    assert {position.partition for position in positions if position} == {partition}
    assert sorted(positions, key=lambda position: position or Position(0, 0)) == list(positions)


async def test_freely_placed_records_use_every_partition(kafka: str, unique: str) -> None:
    await topics.ensure_topics(kafka)
    async with connected(Bench(kafka)) as bench:
        used = {await bench.append(f"{unique}-{index}") for index in range(2 * bench.connection.partitions)}
        assert len({position.partition for position in used if position}) == bench.connection.partitions


async def test_records_of_any_size_fit(kafka: str, unique: str) -> None:
    await topics.ensure_topics(kafka)
    sizes = [BATCH_BYTES - 200, BATCH_BYTES, 3 * 1024 * 1024, 10, 3 * 1024 * 1024]
    async with connected(Bench(kafka)) as bench:
        positions = await asyncio.gather(
            *(bench.append(f"{unique}-{index}", body_of(size), placed=True) for index, size in enumerate(sizes)),
            *(bench.append(f"{unique}-{index}", body_of(size)) for index, size in enumerate(sizes)),
        )
    assert None not in positions


async def test_beyond_the_limit_of_pending_bytes_nothing_is_taken(kafka: str, unique: str) -> None:
    await topics.ensure_topics(kafka)
    async with connected(Bench(kafka, limit_bytes=1000)) as bench:
        first, second, third = await asyncio.gather(*(bench.append(unique, body_of(300)) for _ in range(3)))
        assert first is not None
        assert second is not None
        assert third is None
        assert await bench.append(unique, body_of(800)) is not None


async def test_without_a_connection_nothing_is_taken(unique: str) -> None:
    assert await Bench("127.0.0.1:1").append(unique) is None


async def test_what_kafka_has_not_been_given_in_time_is_dropped_and_the_rest_is_stored_once(
    private_kafka: Process,
) -> None:
    await topics.ensure_topics(private_kafka.address, partitions=1)
    async with connected(Bench(private_kafka.address, timeout_s=SHORT_S, limit_bytes=10_000)) as bench:
        await bench.until_taken("before")
        private_kafka.suspend()
        try:
            given = asyncio.create_task(bench.append("given"))
            await eventually(bench.has_a_batch_in_flight)  # so the others wait for their turn
            started = time.monotonic()
            waiting = await asyncio.gather(*(bench.append(f"waiting-{index}") for index in range(40)))
            assert waiting == [None] * 40
            assert await given is None
            assert time.monotonic() - started < BOUND_S  # one after the other they would have taken forty seconds
        finally:
            private_kafka.resume()
        await bench.until_taken("after", body_of(9_800))
        keys = [record.key for record in (await bench.values()).values()]
    assert set(keys) == {b"before", b"given", b"after"}
    assert keys.count(b"given") == 1


async def test_a_killed_kafka_loses_nothing_that_was_confirmed_and_is_used_again(private_kafka: Process) -> None:
    await topics.ensure_topics(private_kafka.address)
    async with connected(Bench(private_kafka.address, timeout_s=SHORT_S)) as bench:
        await bench.until_taken("first")
        confirmed = {await bench.append(f"before-{index}"): f"before-{index}" for index in range(10)}
        await private_kafka.kill()
        started = time.monotonic()
        assert await bench.append("while away") is None
        assert time.monotonic() - started < BOUND_S
        with suppress(TimeoutError):
            assert not await bench.connection.reachable()
        await private_kafka.start()

        async def is_taken_again() -> bool:
            position = await bench.append("after")
            confirmed[position] = "after"
            return position is not None

        await eventually(is_taken_again, within_s=60)
        confirmed.pop(None, None)
        records = await bench.values()
    assert {position: records[position].key.decode() for position in confirmed if position} == confirmed
    assert [record.key for record in records.values()].count(b"while away") == 1


async def test_a_broken_producer_is_replaced(private_kafka: Process) -> None:
    """A refused batch leaves a gap in the sequence numbers: Kafka refuses whatever that producer sends after it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=private_kafka.address)
    await admin.start()
    await admin.create_topics([NewTopic(topics.REQUESTS, 1, 1, topic_configs={"max.message.bytes": "10000"})])
    await admin.close()
    async with connected(Bench(private_kafka.address, timeout_s=SHORT_S)) as bench:
        first = bench.connection.producer
        await bench.until_taken("before")
        assert await bench.append("too large", body_of(20_000)) is None
        assert await refuses(first)
        await bench.until_taken("after")
        assert bench.connection.producer is not first
        keys = [record.key for record in (await bench.values()).values()]
    assert set(keys) == {b"before", b"after"}


async def refuses(producer: AIOKafkaProducer | None) -> bool:
    assert producer is not None
    batch = producer.create_batch()
    batch.append(timestamp=None, key=b"k", value=b"v")
    try:
        await (await producer.send_batch(batch, topics.REQUESTS, partition=0))
    except KafkaError:
        return True
    return False
