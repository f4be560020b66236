"""Connections that were reset, on the event loop that the services run on."""

import asyncio
from urllib.parse import urlsplit

import pytest
import uvloop
from redis.asyncio import Redis

from libs.claims import Answer, ClaimsUnavailableError, Position, RedisClaims, connect
from libs.owners import RedisOwners
from tests.chaos.proxy import Link, Weather
from tests.eventually import eventually


def test_a_connection_to_redis_that_was_reset_is_unavailable_once_and_then_another(redis_url: str, unique: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_reset_between_calls(redis_url, unique))


async def _reset_between_calls(redis_url: str, unique: str) -> None:
    address = urlsplit(redis_url)
    async with (
        Link(address.hostname or "", address.port or 0) as link,
        connect(f"redis://{link.address}/0", timeout_s=10) as redis,
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
            with pytest.raises(ClaimsUnavailableError):
                await call()
        assert await claims.touch(unique) is Answer.MISS


async def _reset(link: Link, redis: Redis) -> None:
    """Return once this end knows of it."""
    [connection] = redis.connection_pool._available_connections

    async def is_known() -> bool:
        return connection._writer is not None and connection._writer.transport.is_closing()

    await link.change(Weather.RESET)
    await eventually(is_known)
    await link.change(Weather.FAIR)
