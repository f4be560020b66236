"""The protocol of the claims, on the store in memory and on Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import pytest_asyncio

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from libs.claims import WINDOW, Answer, Claims, ClaimsUnavailableError, Position, RedisClaims, connect
from tests.eventually import eventually
from tests.unit.ingress.memory import MemoryClaims

FIRST, SECOND = Position(3, 10), Position(3, 11)
ELSEWHERE = Position(4, 9)


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where the store under test is; None is in memory."""
    return request.getfixturevalue("redis_url") if request.param == "redis" else None


@asynccontextmanager
async def claims_at(url: str | None, window: timedelta = WINDOW) -> AsyncIterator[Claims]:
    if url is None:
        yield MemoryClaims(window)
    else:
        async with connect(url, timeout_s=1) as redis:
            yield RedisClaims(redis, window)


@pytest_asyncio.fixture
async def claims(url: str | None) -> AsyncIterator[Claims]:
    async with claims_at(url) as store:
        yield store


async def test_touching_an_unknown_hash_misses_and_claims_nothing(claims: Claims, unique: str) -> None:
    assert await claims.touch(unique) is Answer.MISS
    assert await claims.touch(unique) is Answer.MISS


async def test_the_first_claim_is_granted_and_every_later_one_is_a_duplicate(claims: Claims, unique: str) -> None:
    assert await claims.claim(unique, FIRST) is Answer.GRANTED
    assert await claims.claim(unique, SECOND) is Answer.DUPLICATE
    assert await claims.claim(unique, ELSEWHERE) is Answer.DUPLICATE


async def test_touching_a_granted_hash_is_a_duplicate(claims: Claims, unique: str) -> None:
    await claims.claim(unique, FIRST)
    assert await claims.touch(unique) is Answer.DUPLICATE


async def test_of_many_claims_at_once_exactly_one_is_granted(claims: Claims, unique: str) -> None:
    given = await asyncio.gather(*(claims.claim(unique, Position(0, offset)) for offset in range(50)))
    assert sorted(given) == [Answer.GRANTED] + [Answer.DUPLICATE] * 49


async def test_answers_reach_the_callers_they_belong_to(claims: Claims, unique: str) -> None:
    for index in range(0, 600, 2):
        await claims.claim(f"{unique}-{index}", FIRST)
    touched = await asyncio.gather(*(claims.touch(f"{unique}-{index}") for index in range(600)))
    assert touched == [Answer.DUPLICATE, Answer.MISS] * 300


async def test_a_record_that_the_normalizer_met_first_is_granted_once_to_its_own_request(
    claims: Claims, unique: str
) -> None:
    assert await claims.resolve([(unique, FIRST)]) == [True]
    assert await claims.claim(unique, FIRST) is Answer.GRANTED
    assert await claims.claim(unique, FIRST) is Answer.DUPLICATE


async def test_a_record_that_lost_its_answer_is_granted_to_the_request_that_repeats_it(
    claims: Claims, unique: str
) -> None:
    await claims.resolve([(unique, FIRST)])
    assert await claims.touch(unique) is Answer.GRANTED_ELSEWHERE
    assert await claims.touch(unique) is Answer.DUPLICATE


async def test_a_claim_for_another_record_than_the_owner_is_granted_elsewhere(claims: Claims, unique: str) -> None:
    await claims.resolve([(unique, FIRST)])
    assert await claims.claim(unique, SECOND) is Answer.GRANTED_ELSEWHERE
    assert await claims.claim(unique, FIRST) is Answer.DUPLICATE


async def test_the_owner_becomes_an_event_and_what_follows_it_in_its_partition_does_not(
    claims: Claims, unique: str
) -> None:
    await claims.claim(unique, FIRST)
    assert await claims.resolve([(unique, FIRST), (unique, SECOND)]) == [True, False]


async def test_resolving_again_gives_the_same_events(claims: Claims, unique: str) -> None:
    records = [(unique, FIRST), (f"{unique}-other", SECOND), (unique, SECOND)]
    assert await claims.resolve(records) == [True, True, False]
    assert await claims.resolve(records) == [True, True, False]


async def test_an_earlier_record_than_the_owner_takes_over(claims: Claims, unique: str) -> None:
    await claims.claim(unique, SECOND)
    assert await claims.resolve([(unique, FIRST), (unique, SECOND)]) == [True, False]


async def test_a_record_in_another_partition_than_the_owner_takes_over(claims: Claims, unique: str) -> None:
    await claims.claim(unique, FIRST)
    assert await claims.resolve([(unique, ELSEWHERE)]) == [True]
    assert await claims.resolve([(unique, Position(4, 10))]) == [False]


async def test_resolving_leaves_a_grant_as_it_is(claims: Claims, unique: str) -> None:
    await claims.claim(unique, SECOND)
    await claims.resolve([(unique, FIRST)])
    assert await claims.touch(unique) is Answer.DUPLICATE


async def test_many_records_are_resolved_in_their_order(claims: Claims, unique: str) -> None:
    records = [(f"{unique}-{index // 2}", Position(0, index)) for index in range(3000)]
    assert await claims.resolve(records) == [True, False] * 1500


async def test_resolving_nothing_answers_nothing(claims: Claims) -> None:
    assert await claims.resolve([]) == []


@pytest.mark.parametrize("repeat", ["nothing", "touch", "claim", "resolve"])
async def test_the_window_runs_from_the_last_request(url: str | None, unique: str, repeat: str) -> None:
    async with claims_at(url, timedelta(seconds=0.5)) as claims:
        # One to look at for each time of asking: to ask renews, too.
        controls = [f"{unique}-{index}" for index in range(300)]
        await asyncio.gather(*(claims.claim(key, FIRST) for key in [unique, *controls]))

        async def is_over() -> bool:
            match repeat:
                case "touch":
                    await claims.touch(unique)
                case "claim":
                    await claims.claim(unique, SECOND)
                case "resolve":
                    await claims.resolve([(unique, SECOND)])
            return await claims.touch(controls.pop()) is Answer.MISS

        await eventually(is_over, within_s=5)
        assert await claims.touch(unique) is (Answer.MISS if repeat == "nothing" else Answer.DUPLICATE)


async def test_a_store_that_answers_can_be_pinged(claims: Claims) -> None:
    await claims.ping()


async def test_redis_without_a_listener_is_unavailable(unique: str) -> None:
    async with connect(f"redis://{LOOPBACK}:{free_port()}/0", timeout_s=1) as redis:
        await assert_unavailable(RedisClaims(redis), unique)


async def test_a_suspended_redis_is_unavailable_for_everyone_who_waits_after_one_time_out(
    private_redis: Process, unique: str
) -> None:
    async with connect(private_redis.address, timeout_s=1) as redis:
        claims = RedisClaims(redis)
        await claims.ping()
        private_redis.suspend()
        try:
            async with asyncio.timeout(3):  # the client's time-out is one second
                outcomes = await asyncio.gather(
                    *(claims.touch(f"{unique}-{index}") for index in range(5000)), return_exceptions=True
                )
        finally:
            private_redis.resume()
        assert all(isinstance(outcome, ClaimsUnavailableError) for outcome in outcomes)
        assert await claims.touch(unique) is Answer.MISS


async def test_redis_can_be_used_again_after_a_restart(private_redis: Process, unique: str) -> None:
    async with connect(private_redis.address, timeout_s=1) as redis:
        claims = RedisClaims(redis)
        await claims.claim(unique, FIRST)
        await private_redis.stop()
        await assert_unavailable(claims, unique)
        await private_redis.start()
        assert await claims.touch(unique) is Answer.DUPLICATE


async def test_connections_that_a_restart_closed_are_noticed_before_they_are_used(
    private_redis: Process, unique: str
) -> None:
    async with connect(private_redis.address, timeout_s=1) as redis:
        claims = RedisClaims(redis)
        # Touch and claim at once: two connections that stay open.
        await asyncio.gather(claims.touch(f"{unique}-touched"), claims.claim(unique, FIRST), claims.ping())
        await private_redis.stop()
        await private_redis.start()
        answers = tuple(await asyncio.gather(claims.touch(unique), claims.claim(unique, SECOND), claims.ping()))
        assert answers[:2] == (Answer.DUPLICATE, Answer.DUPLICATE)


async def assert_unavailable(claims: Claims, key: str) -> None:
    with pytest.raises(ClaimsUnavailableError):
        await claims.touch(key)
    with pytest.raises(ClaimsUnavailableError):
        await claims.claim(key, FIRST)
    with pytest.raises(ClaimsUnavailableError):
        await claims.resolve([(key, FIRST)])
    with pytest.raises(ClaimsUnavailableError):
        await claims.ping()
