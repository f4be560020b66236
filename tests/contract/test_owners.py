"""Looking up who owns a hash, on the store in memory and on Redis."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from deploy.local.ports import LOOPBACK, free_port
from libs.claims import Answer, Claims, ClaimsUnavailableError, RedisClaims, name_of
from libs.messages import Position
from libs.owners import Owners, RedisOwners
from libs.redis import redis_client
from tests.unit.ingress.memory import MemoryClaims


class Store(NamedTuple):
    claims: Claims
    owners: Owners


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where the store under test is; None is in memory."""
    return request.getfixturevalue("redis_url") if request.param == "redis" else None


@pytest_asyncio.fixture
async def store(url: str | None) -> AsyncIterator[Store]:
    if url is None:
        memory = MemoryClaims()
        yield Store(memory, memory)
    else:
        async with redis_client(url, timeout_s=10) as redis:
            yield Store(RedisClaims(redis), RedisOwners(redis))


async def test_owners_come_in_the_order_of_the_hashes_and_what_nobody_claimed_has_none(
    store: Store, unique: str
) -> None:
    await store.claims.claim(f"{unique}-a", Position(3, 10))
    await store.claims.resolve([(f"{unique}-b", Position(11, 2**40))])
    asked = [f"{unique}-b", f"{unique}-none", f"{unique}-a", f"{unique}-b"]
    assert await store.owners.owners(asked) == [Position(11, 2**40), None, Position(3, 10), Position(11, 2**40)]
    assert await store.owners.owners([]) == []


async def test_looking_claims_nothing(store: Store, unique: str) -> None:
    assert await store.owners.owners([unique]) == [None]
    assert await store.claims.touch(unique) is Answer.MISS


async def test_looking_renews_no_window(redis_url: str, unique: str) -> None:
    async with redis_client(redis_url, timeout_s=10) as redis:
        await RedisClaims(redis).claim(unique, Position(3, 10))
        await redis.pexpire(name_of(unique), 60_000)
        await RedisOwners(redis).owners([unique])
        assert 0 < await redis.pttl(name_of(unique)) <= 60_000


async def test_without_the_store_nobody_can_say() -> None:
    async with redis_client(f"redis://{LOOPBACK}:{free_port()}/0", timeout_s=1) as redis:
        with pytest.raises(ClaimsUnavailableError):
            await RedisOwners(redis).owners(["k"])
