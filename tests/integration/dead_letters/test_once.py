"""A dead letter is replayed once: asked twice, by two at once, killed in between, or suspended for a while."""

import asyncio
import signal
from collections import Counter

import msgspec
from aiokafka.structs import ConsumerRecord
from redis.asyncio import Redis

from deploy.local.process import Process
from libs import topics
from libs.claims import RedisClaims
from libs.messages import Event, Position, Trigger
from libs.replays import REPLAY_OF
from services.normalizer.app import build as build_normalizer
from services.normalizer.settings import Settings as NormalizerSettings
from services.trigger.app import build as build_trigger
from services.trigger.settings import Settings as TriggerSettings
from tests.eventually import eventually
from tests.integration.dead_letters.operators import begin, bury, ended, letter, places, run
from tests.integration.pipeline import (
    RECEIVED_AT,
    Reader,
    Request,
    Sent,
    new_integration,
    reading,
    send,
    serving,
)
from tests.integration.trigger.authors import business_event, define, event


def requests_of(integration: str, count: int) -> list[Sent]:
    return [Request(integration=integration).sent(partition=number % 12) for number in range(count)]


async def replayed(reader: Reader, letters: list[Sent]) -> Counter[bytes]:
    """How often each of these letters' originals is on the topic now."""
    keys = {one.key for one in letters}
    return Counter(record.key for record in await reader.read_to_the_end() if record.key in keys)


async def test_replayed_and_replayed_again_a_request_becomes_one_event_and_triggers_once(
    broker: Process, redis_url: str
) -> None:
    integration = new_integration()
    everything = business_event(integration)
    await define(broker.address, everything)
    request = Request(integration=integration)
    await bury(broker.address, [letter(request.sent(partition=5), offset=2)])
    normalizer = build_normalizer(NormalizerSettings(kafka=broker.address, redis=redis_url)).app
    async with (
        reading(broker.address, topics.EVENTS) as events,
        reading(broker.address, topics.TRIGGERS) as triggers,
        serving(normalizer),
        serving(build_trigger(TriggerSettings(kafka=broker.address)).app),
    ):
        first = await run(broker.address, "replay", "--integration", integration, "--yes")
        assert (first.code, first.out) == (0, ""), first.said
        second = await run(broker.address, "replay", "--integration", integration, "--yes")
        assert second.code == 3
        (published,) = await triggers.wait_for(1)
        after = Request(integration=new_integration())
        await send(broker.address, topics.REQUESTS, [after.sent(partition=5)])
        (replay, _) = await events.wait_for(2)
        assert len(await triggers.read_to_the_end()) == 1
    made = msgspec.json.decode(replay.value, type=Event)
    assert (made.id, made.received_at) == (request.event_id, RECEIVED_AT)
    assert (replay.key, replay.partition) == (request.event_id.encode(), 5)
    assert dict(replay.headers)[REPLAY_OF] == b"inlet.requests/5/2"
    trigger = msgspec.json.decode(published.value, type=Trigger)
    assert trigger.business_event.id == everything.id
    assert is_of_now(replay)
    assert is_of_now(published)


def is_of_now(record: ConsumerRecord) -> bool:
    """Whether it is kept from now on, not from when its request was received."""
    return bool(record.timestamp > 1_780_000_000_000)


async def test_a_replayed_event_is_matched_once_and_keeps_its_id(broker: Process) -> None:
    integration = new_integration()
    await define(broker.address, business_event(integration))
    dead = event(integration, partition=4)
    await bury(broker.address, [letter(dead, "too-costly", topic=topics.EVENTS)])
    async with (
        reading(broker.address, topics.TRIGGERS) as triggers,
        serving(build_trigger(TriggerSettings(kafka=broker.address)).app),
    ):
        before = len(await triggers.read_to_the_end())
        for _ in range(2):
            await run(broker.address, "replay", "--integration", integration, "--yes")
        live = event(integration, partition=4)
        await send(broker.address, topics.EVENTS, [live])
        found = [record.key for record in (await triggers.wait_for(before + 2))[before:]]
    assert found == [dead.key, live.key]


async def test_a_deduplicated_request_becomes_an_event_when_it_is_replayed_although_its_hash_is_claimed(
    broker: Process, redis_url: str, unique: str
) -> None:
    """The ingress has claimed for it, and an equal request was dropped for its sake."""
    integration = new_integration()
    dead, dropped = (Request(integration=integration, hash=unique) for _ in range(2))
    async with (
        Redis.from_url(redis_url) as redis,
        reading(broker.address, topics.EVENTS) as events,
        serving(build_normalizer(NormalizerSettings(kafka=broker.address, redis=redis_url)).app),
    ):
        await RedisClaims(redis).claim(unique, Position(6, 0))
        await bury(broker.address, [letter(dead.sent(partition=6), offset=0)])
        fence = [Request(integration=integration).sent(partition=6) for _ in range(2)]
        before = len(await events.read_to_the_end())
        await send(broker.address, topics.REQUESTS, [fence[0], dropped.sent(partition=6)])
        await run(broker.address, "replay", "--integration", integration, "--yes")
        await send(broker.address, topics.REQUESTS, [fence[1]])
        found = (await events.wait_for(before + 3))[before:]
    assert [record.key for record in found] == [fence[0].key, unique.encode(), fence[1].key]
    assert msgspec.json.decode(found[1].value, type=Event).id == dead.event_id


async def test_a_request_is_dropped_when_it_is_replayed_after_an_equal_one_has_become_an_event(
    broker: Process, redis_url: str, unique: str
) -> None:
    """The sender was not answered, so nothing was claimed for the dead letter, and repeated it."""
    integration = new_integration()
    dead, repeated = (Request(integration=integration, hash=unique) for _ in range(2))
    async with (
        reading(broker.address, topics.EVENTS) as events,
        serving(build_normalizer(NormalizerSettings(kafka=broker.address, redis=redis_url)).app),
    ):
        before = len(await events.read_to_the_end())
        fence = [Request(integration=integration).sent(partition=7) for _ in range(2)]
        await send(broker.address, topics.REQUESTS, [fence[0], repeated.sent(partition=7)])
        await events.wait_for(before + 2)
        await bury(broker.address, [letter(dead.sent(partition=7), offset=0)])
        await run(broker.address, "replay", "--integration", integration, "--yes")
        await send(broker.address, topics.REQUESTS, [fence[1]])
        found = (await events.wait_for(before + 3))[before:]
    assert [record.key for record in found] == [fence[0].key, unique.encode(), fence[1].key]
    assert msgspec.json.decode(found[1].value, type=Event).id == repeated.event_id


async def test_killed_before_and_after_it_commits_a_replay_loses_and_doubles_nothing(broker: Process) -> None:
    integration = new_integration()
    originals = requests_of(integration, 600)
    await bury(broker.address, [letter(one, offset=number) for number, one in enumerate(originals)])
    command = ("replay", "--integration", integration, "--yes", "--rate", "100000")
    done = 0
    async with (
        reading(broker.address, topics.REQUESTS) as requests,
        reading(broker.address, topics.REQUESTS, "read_uncommitted") as written,
    ):
        for dies in ("before", "after", "after", "before"):
            before = (await replayed(written, originals)).total()
            killed = await ended(await begin(broker.address, *command, dying=dies))
            assert killed.code == -signal.SIGKILL
            assert (await replayed(written, originals)).total() == before + 50
            done += 50 if dies == "after" else 0
        left = len(originals) - done
        rest = await run(broker.address, *command)
        assert (rest.code, rest.said.splitlines()[-1]) == (0, f"{left} of {left} replayed.")
        assert await replayed(requests, originals) == Counter(one.key for one in originals)
    assert await places(broker.address, "--integration", integration) == []


async def test_a_replay_that_is_told_to_stop_ends_between_two_transactions(broker: Process) -> None:
    integration = new_integration()
    originals = requests_of(integration, 3)
    await bury(broker.address, [letter(one, offset=number) for number, one in enumerate(originals)])
    command = ("replay", "--integration", integration, "--yes")
    async with reading(broker.address, topics.REQUESTS) as requests:
        process = await begin(broker.address, *command, "--rate", "0.01")
        try:

            async def has_begun() -> bool:
                return bool(await replayed(requests, originals))

            await eventually(has_begun)
        finally:
            process.send_signal(signal.SIGINT)
            stopped = await ended(process)
        assert (stopped.code, stopped.said.splitlines()[-1]) == (1, "Stopped. Repeat the command for the rest.")
        assert "1 of 3 replayed." in stopped.said
        assert (await run(broker.address, *command)).code == 0
        assert await replayed(requests, originals) == Counter(one.key for one in originals)


async def test_two_replays_at_once_replay_each_dead_letter_once(broker: Process) -> None:
    integration = new_integration()
    originals = requests_of(integration, 400)
    await bury(broker.address, [letter(one, offset=number) for number, one in enumerate(originals)])
    command = ("replay", "--integration", integration, "--yes", "--rate", "400")
    async with reading(broker.address, topics.REQUESTS) as requests:
        both = await asyncio.gather(run(broker.address, *command), run(broker.address, *command))
        assert {answer.code for answer in both} <= {0, 1, 3}
        stopped = [answer for answer in both if answer.code == 1]
        assert all("has begun and ended this one" in answer.said for answer in stopped)
        assert await replayed(requests, originals) == Counter(one.key for one in originals)


async def test_a_replay_that_was_suspended_while_another_did_its_work_does_nothing_more(broker: Process) -> None:
    integration = new_integration()
    originals = requests_of(integration, 600)
    await bury(broker.address, [letter(one, offset=number) for number, one in enumerate(originals)])
    command = ("replay", "--integration", integration, "--yes", "--rate", "200")
    async with reading(broker.address, topics.REQUESTS) as requests:
        suspended = await begin(broker.address, *command)
        try:

            async def has_begun() -> bool:
                return bool(await replayed(requests, originals))

            await eventually(has_begun)
            suspended.send_signal(signal.SIGSTOP)
            rest = await run(broker.address, "replay", "--integration", integration, "--yes", "--rate", "100000")
            assert rest.code == 0, rest.said
        finally:
            suspended.send_signal(signal.SIGCONT)
            woken = await ended(suspended)
        assert woken.code == 1
        assert "has begun and ended this one" in woken.said
        assert await replayed(requests, originals) == Counter(one.key for one in originals)
