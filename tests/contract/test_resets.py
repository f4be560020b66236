"""Connections that were reset, on the event loop that the services run on."""

import asyncio
from urllib.parse import urlsplit

import pytest
import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from redis.asyncio import Redis

from libs.claims import RedisClaims
from libs.clients import outlive_resets
from libs.messages import Position
from libs.owners import RedisOwners
from libs.redis import redis_client
from tests.chaos.proxy import Link, Weather
from tests.eventually import eventually


def test_a_connection_to_redis_that_was_reset_is_replaced_before_it_is_used(redis_url: str, unique: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_reset_between_calls(redis_url, unique))


def test_a_connection_to_kafka_that_was_reset_is_a_broken_one_and_then_there_is_another(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AIOKafkaConnection, "send", AIOKafkaConnection.send)  # put back at the end
    outlive_resets()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_reset_before_a_write(kafka))


async def _reset_before_a_write(bootstrap: str) -> None:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        [node] = [broker.nodeId for broker in client.cluster.brokers()]
        connection = await client._get_conn(node)
        connection._writer.transport.abort()
        await asyncio.sleep(0)  # the transport has closed, and whoever reads from it has not been told
        with pytest.raises(KafkaConnectionError):
            connection.send(MetadataRequest([]))
        assert (await client.send(node, MetadataRequest([]))).brokers
    finally:
        await client.close()


async def _reset_between_calls(redis_url: str, unique: str) -> None:
    address = urlsplit(redis_url)
    async with (
        Link(address.hostname or "", address.port or 0) as link,
        redis_client(f"redis://{link.address}/0", timeout_s=10) as redis,
    ):
        claims, owners = RedisClaims(redis), RedisOwners(redis)
        for call in (
            claims.ping,
            lambda: claims.touch(unique),
            lambda: claims.claim(unique, Position(3, 10)),
            lambda: claims.resolve([(unique, Position(3, 10))]),
            lambda: owners.owners([unique]),
        ):
            await claims.ping()
            await _reset(link, redis)
            await call()


async def _reset(link: Link, redis: Redis) -> None:
    """Return once this end knows of it."""
    [connection] = redis.connection_pool._available_connections

    async def is_known() -> bool:
        return connection._writer is not None and connection._writer.transport.is_closing()

    await link.change(Weather.RESET)
    await eventually(is_known)
    await link.change(Weather.FAIR)
