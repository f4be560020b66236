"""Where records go."""

import asyncio
from collections import Counter
from types import SimpleNamespace

from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from libs import topics
from libs.messages import Position
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
    """aiokafka's producer as far as it is used, without a leader of partition 1."""

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(10_000, 0)

    async def send_batch(self, _batch: BatchBuilder, _topic: str, *, partition: int) -> asyncio.Future[SimpleNamespace]:
        delivered: asyncio.Future[SimpleNamespace] = asyncio.get_running_loop().create_future()
        if partition != 1:
            delivered.set_result(SimpleNamespace(offset=7))
        return delivered


async def test_a_free_record_behind_a_partition_without_a_leader_goes_to_another_by_itself() -> None:
    connection = Connection("", topics.REQUESTS)
    connection.producer, connection.partitions = Kafka(), 2
    log = BatchProducer(connection, timeout_s=2, pending_limit_bytes=1000)
    first = asyncio.create_task(log.append(Record("first", b"{}", [], place=None)))

    async def is_in_flight() -> bool:
        return bool(log._in_flight)

    await eventually(is_in_flight)
    assert await log.append(Record("second", b"{}", [], place=None)) == Position(0, 7)
    assert not first.done()
    first.cancel()
