"""Where records go."""

import asyncio
from collections import Counter, defaultdict
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from libs import topics
from libs.messages import Position
from services.ingress import producer
from services.ingress.acceptance import Record
from services.ingress.connection import Connection
from services.ingress.producer import BatchProducer, partition_of
from tests.eventually import eventually


@given(st.binary(min_size=16, max_size=16), st.integers(1, 1000))
def test_every_hash_has_one_existing_partition(digest: bytes, partitions: int) -> None:
    assert 0 <= partition_of(digest.hex(), partitions) < partitions


def test_where_hashes_go_does_not_change_between_versions() -> None:
    assert partition_of("0000000c00000000ffffffffffffffff", 12) == 0
    assert partition_of("ffffffff000000000000000000000000", 12) == 3


def test_hashes_are_spread_evenly() -> None:
    spread = Counter(partition_of(f"{index * 0x9E3779B1 % 2**32:08x}", 12) for index in range(12_000))
    assert set(spread) == set(range(12))
    assert max(spread.values()) < 1200


class Kafka:
    """aiokafka's producer as far as it is used, of brokers that confirm when they are told to."""

    def __init__(self, *leaders: int | None) -> None:
        """Make it with the broker that leads each partition."""
        self.client = SimpleNamespace(cluster=self)
        self.sizes: dict[int, list[int]] = {partition: [] for partition in range(len(leaders))}
        self._leaders = leaders
        self._on_their_way: defaultdict[int, list[asyncio.Future[SimpleNamespace]]] = defaultdict(list)

    def leader_for_partition(self, partition: TopicPartition) -> int | None:
        return self._leaders[int(partition.partition)]

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(10_000, 0)

    async def send_batch(self, batch: BatchBuilder, _topic: str, *, partition: int) -> asyncio.Future[SimpleNamespace]:
        delivered: asyncio.Future[SimpleNamespace] = asyncio.get_running_loop().create_future()
        self.sizes[partition].append(batch.record_count())
        self._on_their_way[partition].append(delivered)
        return delivered

    def confirm(self, partition: int) -> None:
        for delivered in self._on_their_way.pop(partition):
            delivered.set_result(SimpleNamespace(offset=sum(self.sizes[partition][:-1])))


class Sending:
    """A log in front of such brokers, and what is sent to it."""

    def __init__(self, *leaders: int | None) -> None:
        self.kafka = Kafka(*leaders)
        connection = Connection("", topics.REQUESTS)
        connection.producer, connection.partitions = self.kafka, len(leaders)
        self.log = BatchProducer(connection, timeout_s=20, pending_limit_bytes=100_000)

    async def send(self, *places: int | None) -> list[asyncio.Task[Position | None]]:
        """Append a record to each of these partitions, None for any, and let the event loop come round."""
        tasks = [
            asyncio.create_task(self.log.append(Record("key", b"{}", [], place=None if one is None else f"{one:08x}")))
            for one in places
        ]
        await comes_round()
        return tasks

    async def has_sent(self, sizes: dict[int, list[int]]) -> None:
        async def it_has() -> bool:
            return self.kafka.sizes == sizes

        await eventually(it_has, said=str(self.kafka.sizes))


async def comes_round() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def long_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "_ROUND_S", 20.0)


@pytest.mark.usefixtures("long_rounds")
async def test_a_record_goes_at_once_and_what_comes_meanwhile_shares_the_batches_of_the_next_round() -> None:
    sending = Sending(1, 1, 1)
    [first] = await sending.send(0)
    assert sending.kafka.sizes == {0: [1], 1: [], 2: []}
    others = await sending.send(1, 0, 1, 1) + await sending.send(0, 2)
    assert sending.kafka.sizes == {0: [1], 1: [], 2: []}
    sending.kafka.confirm(0)
    await sending.has_sent({0: [1, 2], 1: [3], 2: [1]})
    assert await first == Position(0, 0)
    for partition in range(3):
        sending.kafka.confirm(partition)
    positions = await asyncio.gather(*others)
    assert positions == [(1, 0), (0, 1), (1, 1), (1, 2), (0, 2), (2, 0)]


@pytest.mark.usefixtures("long_rounds")
async def test_a_broker_does_not_wait_for_another() -> None:
    sending = Sending(1, 2, 1)
    await sending.send(0)
    await sending.send(2, 1)
    assert sending.kafka.sizes == {0: [1], 1: [1], 2: []}


async def test_a_partition_that_is_not_confirmed_holds_the_others_of_its_broker_up_for_a_moment_only() -> None:
    sending = Sending(1, 1)
    await sending.send(0)
    await sending.send(0, 1)
    await sending.has_sent({0: [1], 1: [1]})
    sending.kafka.confirm(1)
    await comes_round()
    assert sending.kafka.sizes == {0: [1], 1: [1]}  # and its own wait for it
    sending.kafka.confirm(0)
    await sending.has_sent({0: [1, 1], 1: [1]})


@pytest.mark.usefixtures("long_rounds")
async def test_free_records_of_a_round_go_to_one_partition_with_its_own_and_in_the_next_round_to_another() -> None:
    sending = Sending(1, 1, 1)
    await sending.send(None, None, 0, 1)
    assert sending.kafka.sizes == {0: [3], 1: [1], 2: []}
    await sending.send(None, None, None, 0)
    sending.kafka.confirm(0)
    sending.kafka.confirm(1)
    await sending.has_sent({0: [3, 1], 1: [1, 3], 2: []})


async def test_a_free_record_behind_a_partition_without_a_leader_goes_to_another_by_itself() -> None:
    sending = Sending(None, 1)
    [first] = await sending.send(None)
    assert sending.kafka.sizes == {0: [1], 1: []}
    [second] = await sending.send(None)
    sending.kafka.confirm(1)
    assert await second == Position(1, 0)
    assert not first.done()
    first.cancel()
