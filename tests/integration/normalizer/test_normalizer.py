"""The normalizer's application inside this process, on real Kafka and Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from libs import topics
from libs.exactly_once import outcomes
from libs.messages import Event
from services.normalizer.app import build
from services.normalizer.settings import Settings
from tests.eventually import eventually
from tests.integration.pipeline import (
    RECEIVED_AT_MS,
    Request,
    Sent,
    new_integration,
    reading,
    send,
    send_requests,
    serving,
)


@asynccontextmanager
async def normalizing(broker: Process, redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(build(Settings(kafka=broker.address, redis=redis_url)).app) as http:
        yield http


async def test_a_request_becomes_one_clean_event(broker: Process, redis_url: str) -> None:
    request = Request(integration=new_integration(), body=b'{"a": {"b.c": [1, 2.50]}, "a": {"b.c": [1]}}')
    async with reading(broker.address, topics.EVENTS) as events, normalizing(broker, redis_url):
        await send(broker.address, topics.REQUESTS, [request.sent(partition=5)])
        (record,) = await events.wait_for(1)
    assert (record.key, record.partition, record.timestamp) == (request.event_id.encode(), 5, RECEIVED_AT_MS)
    assert msgspec.json.decode(record.value) == {
        "id": request.event_id,
        "workspace": "w",
        "integration": {"id": request.integration, "name": "Réclamations", "version": 3},
        "receivedAt": request.received_at,
        "headers": {"x-form-id": "7"},
        "body": {"a": {"b.c": [1]}},
        "parameters": {r"body.a.b\.c.0": 1, "headers.x-form-id": "7"},
    }


async def test_of_requests_with_one_hash_the_first_becomes_an_event(
    broker: Process, redis_url: str, unique: str
) -> None:
    integration = new_integration()
    requests = [Request(integration=integration, hash=unique) for _ in range(3)]
    other = Request(integration=integration, hash=f"{unique}-other")
    async with reading(broker.address, topics.EVENTS) as events, normalizing(broker, redis_url):
        await send(broker.address, topics.REQUESTS, [one.sent(partition=0) for one in (*requests, other)])
        records = await events.wait_for(2)
    assert [msgspec.json.decode(record.value, type=Event).id for record in records] == [
        requests[0].event_id,
        other.event_id,
    ]


async def test_a_hash_is_remembered_for_as_long_as_the_settings_say(
    broker: Process, redis_url: str, unique: str
) -> None:
    settings = Settings(kafka=broker.address, redis=redis_url, deduplication_window_s=60)
    async with reading(broker.address, topics.EVENTS) as events, serving(build(settings).app):
        await send_requests(broker.address, [Request(integration=new_integration(), hash=unique)])
        await events.wait_for(1)
    async with Redis.from_url(redis_url) as redis:
        assert 0 < await redis.pttl(f"inlet:dedup:{unique}") <= 60_000


async def test_what_is_not_deduplicated_needs_no_redis(broker: Process) -> None:
    nowhere = f"redis://{LOOPBACK}:{free_port()}/0"
    async with reading(broker.address, topics.EVENTS) as events, normalizing(broker, nowhere) as http:
        await send_requests(broker.address, [Request(integration=new_integration())])
        await events.wait_for(1)
        readiness = await http.get("/readyz")
    assert (readiness.status_code, readiness.json()) == (503, {"kafka": True, "redis": False})


async def test_a_poison_record_becomes_a_dead_letter_and_the_partition_moves_on(
    broker: Process, redis_url: str
) -> None:
    good = [Request(integration=new_integration()).sent(partition=3) for _ in range(2)]
    poison = Request(integration=new_integration(), body=b"[1, 2]").sent(partition=3)
    async with (
        reading(broker.address, topics.EVENTS) as events,
        reading(broker.address, topics.DEAD_LETTERS) as dead_letters,
        reading(broker.address, topics.REQUESTS) as requests,
        normalizing(broker, redis_url),
    ):
        await send(broker.address, topics.REQUESTS, [good[0], poison, good[1]])
        assert [record.key for record in await events.wait_for(2)] == [good[0].key, good[1].key]
        (letter,) = await dead_letters.wait_for(1)
        original = (await requests.wait_for(3))[1]
    assert (letter.key, letter.value, letter.partition) == (poison.key, poison.value, 3)
    assert list(letter.headers) == [
        *poison.headers,
        (outcomes.CAUSE, b"not-a-json-object"),
        (outcomes.SERVICE, b"normalizer"),
        (outcomes.TOPIC, topics.REQUESTS.encode()),
        (outcomes.PARTITION, b"3"),
        (outcomes.OFFSET, str(original.offset).encode()),
    ]


async def test_records_with_strange_headers_or_nothing_at_all_harm_no_other(broker: Process, redis_url: str) -> None:
    good = Request(integration=new_integration()).sent(partition=7)
    strange = Sent(key=b"k", value=b"{}", headers=[("inlet-event-id", b"\xff\xfe")], partition=7)
    empty = Sent(key=b"k", value=None, partition=7)
    async with (
        reading(broker.address, topics.EVENTS) as events,
        reading(broker.address, topics.DEAD_LETTERS) as dead_letters,
        normalizing(broker, redis_url),
    ):
        await send(broker.address, topics.REQUESTS, [strange, empty, good])
        assert [record.key for record in await events.wait_for(1)] == [good.key]
        letters = await dead_letters.wait_for(2)
    causes = [dict(letter.headers)[outcomes.CAUSE] for letter in letters]
    assert causes == [b"unreadable-metadata", b"unreadable-metadata"]
    assert [letter.value for letter in letters] == [b"{}", None]


async def test_an_event_of_almost_the_limit_passes_and_a_larger_one_is_a_dead_letter(
    broker: Process, redis_url: str
) -> None:
    # Every text is in an event twice: in the body and as a parameter.
    fits = Request(integration=new_integration(), body=b'{"t": "%s"}' % (b"x" * 10_400_000))
    exceeds = Request(integration=new_integration(), body=b'{"t": "%s"}' % (b"x" * 10_460_000))
    async with (
        reading(broker.address, topics.EVENTS) as events,
        reading(broker.address, topics.DEAD_LETTERS) as dead_letters,
        normalizing(broker, redis_url),
    ):
        await send(broker.address, topics.REQUESTS, [exceeds.sent(partition=2), fits.sent(partition=2)])
        (event,) = await events.wait_for(1)
        (letter,) = await dead_letters.wait_for(1)
    assert len(event.value) > topics.RECORD_LIMIT_BYTES - 200_000
    assert (letter.value, dict(letter.headers)[outcomes.CAUSE]) == (exceeds.body, b"too-large")


@pytest.mark.parametrize("suspended", [False, True])
async def test_requests_wait_while_redis_is_away_and_are_neither_lost_nor_passed_over(
    broker: Process, private_redis: Process, unique: str, *, suspended: bool
) -> None:
    integration = new_integration()
    twice = [Request(integration=integration, hash=unique) for _ in range(2)]
    plain = Request(integration=integration)
    async with (
        reading(broker.address, topics.EVENTS) as events,
        normalizing(broker, private_redis.address) as http,
    ):
        private_redis.suspend() if suspended else await private_redis.stop()
        await send(broker.address, topics.REQUESTS, [twice[0].sent(partition=1), twice[1].sent(partition=1)])
        await send(broker.address, topics.REQUESTS, [plain.sent(partition=2)])
        assert [record.key for record in await events.wait_for(1)] == [plain.sent().key]

        async def is_retrying() -> bool:
            return 'inlet_transactions_total{outcome="failed"}' in (await http.get("/metrics")).text

        await eventually(is_retrying)
        assert len(await events.read_to_the_end()) == 1
        private_redis.resume() if suspended else await private_redis.start()
        records = await events.wait_for(2)
    assert msgspec.json.decode(records[1].value, type=Event).id == twice[0].event_id


async def test_it_is_ready_and_documents_itself(broker: Process, redis_url: str) -> None:
    async with normalizing(broker, redis_url) as http:

        async def is_ready() -> bool:
            return (await http.get("/readyz")).is_success

        await eventually(is_ready)
        assert (await http.get("/healthz")).json() == {"progress": True}
        channels = (await http.get("/asyncapi.json")).json()["channels"]
        assert set(channels) == {topics.REQUESTS, topics.EVENTS}
        assert (await http.post("/asyncapi/try", json={})).status_code == 404


async def test_a_request_from_a_clock_ahead_of_kafkas_is_not_refused(broker: Process, redis_url: str) -> None:
    ahead = Request(integration=new_integration(), received_at="2999-01-01T00:00:00Z")
    async with (
        reading(broker.address, topics.EVENTS) as events,
        reading(broker.address, topics.REQUESTS) as requests,
        normalizing(broker, redis_url),
    ):
        await send_requests(broker.address, [ahead])
        (record,) = await events.wait_for(1)
        (original,) = await requests.wait_for(1)
    assert msgspec.json.decode(record.value, type=Event).received_at == ahead.received_at
    assert record.timestamp == original.timestamp
