"""What breaks, and what must hold all the same: compare what was answered with what a read_committed consumer reads."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial

import httpx
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from tests.e2e.author import Author
from tests.e2e.test_front_door import in_effect
from tests.e2e.workflow import read_events, read_triggers, settle
from tests.eventually import eventually
from tests.persistence import persist

SENDERS = 32
DEDUPLICATED = ["body.id"]


@pytest_asyncio.fixture
async def sender() -> AsyncIterator[httpx.AsyncClient]:
    async with a_sender() as client:
        yield client


def a_sender() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=60, verify=False)  # noqa: S501 plain HTTP; reading the certificates takes long


class Load:
    """Sends numbered requests, every seventh twice, and keeps everything that each number was answered."""

    def __init__(self, url: str) -> None:
        self.answers: dict[int, list[int]] = {}
        self._url = url

    async def reach(self, count: int) -> None:
        """Return once `count` numbers have been answered."""

        async def is_reached() -> bool:
            return len(self.answers) >= count

        await eventually(is_reached, within_s=120)

    async def send(self, count: int) -> None:
        numbers = iter([number for number in range(count) for _ in range(times_sent(number))])
        await asyncio.gather(*(self._worker(numbers) for _ in range(SENDERS)))

    async def _worker(self, numbers: Iterator[int]) -> None:
        async with a_sender() as sender:  # its own: the cost of a shared pool grows with its connections
            for number in numbers:
                body = {"id": number, "filler": "x" * 400}
                statuses = await persist(partial(sender.post, self._url, json=body), within_s=120)
                self.answers.setdefault(number, []).extend(statuses)


def times_sent(number: int) -> int:
    return 2 if number % 7 == 0 else 1


def assert_exact(number: int, statuses: list[int]) -> None:
    """One 200, and 204 for each repetition. After a 503 it may be 204 alone.

    A 503 leaves open whether the request was stored and claimed. If it was not claimed, whoever sends it next gets the
    200; if it was, the 200 is what got lost with the answer. Nobody ever gets a second one.
    """
    given = Counter(statuses)
    assert given.keys() <= {200, 204, 503}, (number, statuses)
    assert given[200] + given[204] == times_sent(number), (number, statuses)
    assert given[200] == 1 or (given[200] == 0 and 503 in given), (number, statuses)


@pytest.mark.parametrize("victim", ["normalizer", "trigger"])
async def test_kill_9_in_the_middle_of_5000_requests_loses_and_doubles_nothing(
    stack: Stack, author: Author, sender: httpx.AsyncClient, unique: str, victim: str
) -> None:
    endpoint = await author.make_endpoint(unique, deduplicate_on=DEDUPLICATED)
    await in_effect(sender, endpoint.url)
    load = Load(endpoint.url)
    async with asyncio.TaskGroup() as meanwhile:
        meanwhile.create_task(load.send(5000))
        for kill_at in (1000, 2500, 4000):
            await load.reach(kill_at)
            await stack.services[victim].kill()
            await stack.services[victim].start()
    await settle(stack.kafka.address, within_s=120)

    assert load.answers.keys() == set(range(5000))
    for number, statuses in load.answers.items():
        assert_exact(number, statuses)
    given = Counter(status for statuses in load.answers.values() for status in statuses)
    assert 503 in given or given == {200: 5000, 204: 715}
    events = Counter(event.body["id"] for event in await read_events(stack.kafka.address, endpoint.integration.id))
    assert events == Counter(range(5000))
    triggers = await read_triggers(stack.kafka.address, endpoint.integration.id)
    assert Counter(trigger.event.body["id"] for trigger in triggers) == Counter(range(5000))


async def test_while_kafka_is_away_senders_get_503_in_bounded_time_and_it_recovers_without_a_restart(
    stack: Stack, author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    endpoint = await author.make_endpoint(unique, deduplicate_on=DEDUPLICATED)
    await in_effect(sender, endpoint.url)
    pids = {name: service.pid for name, service in stack.services.items()}
    await stack.kafka.kill()
    try:
        async with asyncio.timeout(15):
            answer = await sender.post(endpoint.url, json={"id": 1})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
    finally:
        await stack.kafka.start()

    assert (await persist(lambda: sender.post(endpoint.url, json={"id": 1})))[-1] in {200, 204}
    assert (await persist(lambda: sender.post(endpoint.url, json={"id": 2})))[-1] == 200
    await settle(stack.kafka.address, within_s=120)
    triggers = await read_triggers(stack.kafka.address, endpoint.integration.id)
    assert Counter(trigger.event.body["id"] for trigger in triggers) == {1: 1, 2: 1}
    assert {name: service.pid for name, service in stack.services.items()} == pids


async def test_while_redis_is_away_reject_is_503_and_accept_is_200_and_the_normalizer_waits(
    stack: Stack, author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    rejecting = await author.make_endpoint(f"{unique}-reject", deduplicate_on=DEDUPLICATED)
    accepting = await author.make_endpoint(f"{unique}-accept", deduplicate_on=DEDUPLICATED, on_redis_down="accept")
    undeduplicated = await author.make_endpoint(f"{unique}-without")
    for endpoint in (rejecting, accepting, undeduplicated):
        await in_effect(sender, endpoint.url)
    await stack.redis.stop()
    try:
        rejected = await sender.post(rejecting.url, json={"id": 1})
        assert (rejected.status_code, int(rejected.headers["retry-after"]) >= 1) == (503, True)
        accepted = [(await sender.post(accepting.url, json={"id": 1})).status_code for _ in range(3)]
        assert accepted == [200, 200, 200]
        assert (await sender.post(undeduplicated.url, json={"id": 1})).status_code == 200
    finally:
        await stack.redis.start()
    await settle(stack.kafka.address, within_s=120)
    assert len(await read_triggers(stack.kafka.address, rejecting.integration.id)) == 0
    assert len(await read_triggers(stack.kafka.address, accepting.integration.id)) == 1
    assert len(await read_triggers(stack.kafka.address, undeduplicated.integration.id)) == 1
    assert (await persist(lambda: sender.post(rejecting.url, json={"id": 1})))[-1] == 200


async def test_the_data_path_goes_on_without_config(
    stack: Stack, author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    endpoint = await author.make_endpoint(unique)
    await in_effect(sender, endpoint.url)
    await stack.services["config"].kill()
    try:
        assert (await sender.post(endpoint.url, json={"id": 1})).status_code == 200
        await settle(stack.kafka.address)
        assert len(await read_triggers(stack.kafka.address, endpoint.integration.id)) == 1
    finally:
        await stack.services["config"].start()
