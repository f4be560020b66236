"""The protocol of the claims, on the store in memory and on Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from itertools import permutations
from typing import NamedTuple

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from libs.claims import Answer, Claims, ClaimsUnavailableError, RedisClaims, Remembered, Replayed
from libs.messages import Position
from libs.redis import redis_client
from tests.unit.ingress.memory import MemoryClaims

FIRST, SECOND = Position(3, 10), Position(3, 11)
ELSEWHERE = Position(4, 9)
WINDOW = timedelta(hours=1)
ALMOST = WINDOW - timedelta(minutes=1)


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where the store under test is; None is in memory."""
    return request.getfixturevalue("redis_url") if request.param == "redis" else None


class Aging(NamedTuple):
    """A store, and how to let time pass for one of its hashes without waiting for it."""

    claims: Claims
    let_pass: Callable[[str, timedelta], Awaitable[None]]


@pytest_asyncio.fixture
async def aging(url: str | None) -> AsyncIterator[Aging]:
    if url is None:
        yield aging_memory()
    else:
        async with redis_client(url, timeout_s=10) as redis:
            yield aging_redis(redis)


@pytest.fixture
def claims(aging: Aging) -> Claims:
    return aging.claims


def aging_memory() -> Aging:
    now = timedelta()

    async def let_pass(_key: str, time: timedelta) -> None:
        nonlocal now
        now += time

    def clock_s() -> float:
        return now.total_seconds()

    return Aging(MemoryClaims(WINDOW, clock_s), let_pass)


def aging_redis(redis: Redis) -> Aging:
    async def let_pass(key: str, time: timedelta) -> None:
        """What is left of the window gets shorter; a hash that has none left is gone."""
        name = f"inlet:dedup:{key}"
        left = timedelta(milliseconds=await redis.pttl(name))
        assert timedelta() < left <= WINDOW
        await redis.pexpire(name, left - time)

    return Aging(RedisClaims(redis, WINDOW), let_pass)


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


@pytest.mark.parametrize("claimed", [True, False])
async def test_a_replay_becomes_an_event_in_place_of_its_original_and_does_so_again(
    claims: Claims, unique: str, *, claimed: bool
) -> None:
    if claimed:
        await claims.claim(unique, FIRST)
    assert await claims.resolve([(unique, Replayed(FIRST)), (unique, SECOND)]) == [True, False]
    assert await claims.resolve([(unique, Replayed(FIRST))]) == [True]


@pytest.mark.parametrize("owner", [Position(3, 9), SECOND, ELSEWHERE, Position(3, 100)], ids=str)
async def test_a_replay_is_dropped_where_any_other_record_is_the_owner(
    claims: Claims, unique: str, owner: Position
) -> None:
    assert await claims.resolve([(unique, owner), (unique, Replayed(FIRST)), (unique, owner)]) == [True, False, True]


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
async def test_the_window_runs_from_the_last_request(aging: Aging, unique: str, repeat: str) -> None:
    claims = aging.claims
    await claims.claim(unique, FIRST)
    await aging.let_pass(unique, ALMOST)
    match repeat:
        case "touch":
            assert await claims.touch(unique) is Answer.DUPLICATE
        case "claim":
            assert await claims.claim(unique, SECOND) is Answer.DUPLICATE
        case "resolve":
            assert await claims.resolve([(unique, SECOND)]) == [False]
    await aging.let_pass(unique, ALMOST)
    assert await claims.touch(unique) is (Answer.MISS if repeat == "nothing" else Answer.DUPLICATE)


@pytest.mark.parametrize("grant", ["touch", "claim"])
async def test_the_window_of_a_record_that_the_normalizer_met_first_runs_from_the_last_request(
    aging: Aging, unique: str, grant: str
) -> None:
    claims = aging.claims
    for record in (SECOND, FIRST):  # the second of them takes over
        assert await claims.resolve([(unique, record)]) == [True]
        await aging.let_pass(unique, ALMOST)
    given = await (claims.touch(unique) if grant == "touch" else claims.claim(unique, FIRST))
    assert given in {Answer.GRANTED, Answer.GRANTED_ELSEWHERE}
    await aging.let_pass(unique, ALMOST)
    assert await claims.touch(unique) is Answer.DUPLICATE
    await aging.let_pass(unique, WINDOW)
    assert await claims.touch(unique) is Answer.MISS


async def test_a_restored_claim_is_a_duplicates_for_what_is_left_of_its_window(redis_url: str, unique: str) -> None:
    async with redis_client(redis_url, timeout_s=10) as redis:
        claims, let_pass = RedisClaims(redis, WINDOW), aging_redis(redis).let_pass
        granted, resolved = f"{unique}-granted", f"{unique}-resolved"
        minutes_ago = timedelta(minutes=30)
        assert await claims.restore([Remembered(one, FIRST.partition, minutes_ago) for one in (granted, resolved)]) == 2
        await let_pass(granted, timedelta(minutes=29, seconds=30))
        assert await claims.touch(granted) is Answer.DUPLICATE
        assert await claims.resolve([(resolved, FIRST)]) == [False]


async def test_events_that_are_older_than_the_window_restore_nothing(redis_url: str, unique: str) -> None:
    async with redis_client(redis_url, timeout_s=10) as redis:
        claims = RedisClaims(redis, WINDOW)
        assert await claims.restore([Remembered(unique, 3, WINDOW), Remembered(f"{unique}-2", 3, 2 * WINDOW)]) == 0
        assert await claims.touch(unique) is Answer.MISS


@pytest.mark.parametrize("ages", [*permutations(timedelta(minutes=age) for age in (50, 10, 30))])
async def test_restoring_in_any_order_and_again_gives_the_window_of_the_last_request(
    redis_url: str, unique: str, ages: tuple[timedelta, ...]
) -> None:
    async with redis_client(redis_url, timeout_s=10) as redis:
        claims = RedisClaims(redis, WINDOW)
        events = [Remembered(unique, 3, age) for age in ages]
        assert await claims.restore(events) == 1
        assert await claims.restore(events) == 0
        left = timedelta(milliseconds=await redis.pttl(f"inlet:dedup:{unique}"))
        assert timedelta(minutes=40) < left <= timedelta(minutes=50)


async def test_restoring_leaves_a_claim_that_is_there_its_owner_and_its_grant(redis_url: str, unique: str) -> None:
    async with redis_client(redis_url, timeout_s=10) as redis:
        claims = RedisClaims(redis, WINDOW)
        assert await claims.resolve([(unique, SECOND)]) == [True]
        assert await claims.restore([Remembered(unique, SECOND.partition, timedelta())]) == 0
        assert await claims.resolve([(unique, SECOND)]) == [True]
        assert await claims.touch(unique) is Answer.GRANTED_ELSEWHERE


async def test_a_store_that_answers_can_be_pinged(claims: Claims) -> None:
    await claims.ping()


async def test_redis_without_a_listener_is_unavailable(unique: str) -> None:
    async with redis_client(f"redis://{LOOPBACK}:{free_port()}/0", timeout_s=1) as redis:
        await assert_unavailable(RedisClaims(redis), unique)


async def test_a_suspended_redis_is_unavailable_for_everyone_who_waits_after_one_time_out(
    private_redis: Process, unique: str
) -> None:
    async with redis_client(private_redis.address, timeout_s=1) as redis:
        claims = RedisClaims(redis)
        await claims.ping()
        private_redis.suspend()
        try:
            async with asyncio.timeout(15):  # one time-out for each call over some of them would be forty seconds
                outcomes = await asyncio.gather(
                    *(claims.touch(f"{unique}-{index}") for index in range(20_000)), return_exceptions=True
                )
        finally:
            private_redis.resume()
        assert all(isinstance(outcome, ClaimsUnavailableError) for outcome in outcomes)
        assert await claims.touch(unique) is Answer.MISS


async def test_redis_can_be_used_again_after_a_restart(private_redis: Process, unique: str) -> None:
    async with redis_client(private_redis.address, timeout_s=1) as redis:
        claims = RedisClaims(redis)
        await claims.claim(unique, FIRST)
        await private_redis.stop()
        await assert_unavailable(claims, unique)
        await private_redis.start()
        assert await claims.touch(unique) is Answer.DUPLICATE


async def test_a_redis_that_refuses_to_write_is_told_of_once_although_it_still_answers_what_is_no_write(
    private_redis: Process, unique: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with redis_client(private_redis.address, timeout_s=10) as redis:
        claims = RedisClaims(redis)
        await redis.config_set("maxmemory", 1)
        for _ in range(3):
            assert await claims.touch(unique) is Answer.MISS
            with pytest.raises(ClaimsUnavailableError):
                await claims.claim(unique, FIRST)
        await redis.config_set("maxmemory", 0)
        assert await claims.claim(unique, FIRST) is Answer.GRANTED
    refused, again = caplog.messages
    assert "OOM" in refused
    assert again == "Redis works again"


async def test_connections_that_a_restart_closed_are_noticed_before_they_are_used(
    private_redis: Process, unique: str
) -> None:
    async with redis_client(private_redis.address, timeout_s=1) as redis:
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
