"""The normalizer as a process: killed, suspended, doubled, stopped, fed with garbage, and without Kafka."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
import msgspec
from aiokafka.structs import ConsumerRecord

from deploy.local.process import Process
from libs import topics
from libs.messages import Event
from libs.topics import ensure_topics
from tests.eventually import eventually
from tests.integration.pipeline import (
    Reader,
    Request,
    Sent,
    new_integration,
    reading,
    running,
    send,
    send_requests,
    service,
    wait_until_consumed,
)

GROUP = "inlet.normalizer"
REQUESTS = 5_000
SENT_TWICE = 750


def normalizer(broker: Process, redis_url: str, folder: Path, instance_id: str = "") -> Process:
    environment = {"INLET_KAFKA": broker.address, "INLET_REDIS": redis_url}
    return service("normalizer", folder, environment, instance_id)


def traffic(unique: str) -> list[Request]:
    """Requests of which the first come twice, the second time much later and from a sender that repeats itself."""
    integration = new_integration()
    deduplicated = [Request(integration=integration, hash=f"{unique}-{number}") for number in range(SENT_TWICE)]
    plain = [Request(integration=integration) for _ in range(REQUESTS - 2 * SENT_TWICE)]
    again = [Request(integration=integration, hash=one.hash) for one in deduplicated]
    return [*deduplicated, *plain, *again]


def assert_exact(requests: list[Request], events: list[ConsumerRecord]) -> None:
    """One event for each request that is not deduplicated, and one for each hash."""
    assert Counter(record.key for record in events) == Counter({request.sent().key for request in requests})
    first = {request.hash: request.event_id for request in reversed(requests) if request.hash}
    decoded = {record.key.decode(): msgspec.json.decode(record.value, type=Event).id for record in events}
    assert {key: decoded[key] for key in first} == first


async def all_events(broker: Process, requests: list[Request], events: Reader) -> list[ConsumerRecord]:
    await wait_until_consumed(broker.address, topics.REQUESTS, GROUP)
    assert_exact(requests, await events.read_to_the_end())
    return events.records


async def test_killed_again_and_again_it_loses_and_doubles_nothing(
    broker: Process, redis_url: str, tmp_path: Path, unique: str
) -> None:
    requests = traffic(unique)
    process = normalizer(broker, redis_url, tmp_path, "normalizer-0")
    async with reading(broker.address, topics.EVENTS) as events, running(process):
        for part in range(5):
            await send_requests(broker.address, requests[part * 1000 : (part + 1) * 1000])
            await events.wait_for(len(events.records) + 50)
            await process.kill()
            await process.start()
        await all_events(broker, requests, events)


async def test_a_replica_that_is_suspended_past_its_session_and_wakes_up_doubles_nothing(
    broker: Process, redis_url: str, tmp_path: Path, unique: str
) -> None:
    requests = traffic(unique)
    first, second = (normalizer(broker, redis_url, tmp_path) for _ in range(2))
    async with reading(broker.address, topics.EVENTS) as events, running(first, second):
        await send_requests(broker.address, requests[:2500])
        await events.wait_for(100)
        first.suspend()
        await send_requests(broker.address, requests[2500:])
        await wait_until_consumed(broker.address, topics.REQUESTS, GROUP)
        first.resume()
        await all_events(broker, requests, events)
        more = [Request(integration=requests[0].integration) for _ in range(500)]
        await send_requests(broker.address, more)
        await all_events(broker, [*requests, *more], events)


async def test_a_named_replica_that_is_killed_and_restarted_takes_nothing_from_the_other(
    broker: Process, redis_url: str, tmp_path: Path, unique: str
) -> None:
    requests = traffic(unique)
    first, second = (normalizer(broker, redis_url, tmp_path, name) for name in ("normalizer-0", "normalizer-1"))
    async with reading(broker.address, topics.EVENTS) as events, running(first, second):
        await send_requests(broker.address, requests[:2500])
        await events.wait_for(100)
        await first.kill()
        await send_requests(broker.address, requests[2500:])
        await first.start()
        await all_events(broker, requests, events)
        log = (tmp_path / f"normalizer-{second.address}.log").read_text()
        assert log.count("assigned") == 1


async def test_told_to_stop_it_ends_by_itself_and_abandons_no_transaction(
    broker: Process, redis_url: str, tmp_path: Path, unique: str
) -> None:
    requests = traffic(unique)
    process = normalizer(broker, redis_url, tmp_path)
    async with (
        reading(broker.address, topics.EVENTS) as events,
        reading(broker.address, topics.EVENTS, "read_uncommitted") as written,
        running(process),
    ):
        await send_requests(broker.address, requests)
        await events.wait_for(100)
        await process.stop(grace_s=30)
        assert await process.wait() == 0
        # Kafka aborts an abandoned transaction after a while: nobody would ever read what is in it.
        readable, all_written = len(await events.read_to_the_end()), len(await written.read_to_the_end())
        assert readable == all_written
        await process.start()
        await all_events(broker, requests, events)


async def test_if_most_records_fail_it_stops_and_leaves_them_where_they_are(
    private_kafka: Process, redis_url: str, tmp_path: Path
) -> None:
    await ensure_topics(private_kafka.address)
    process = normalizer(private_kafka, redis_url, tmp_path)
    garbage = [Sent(key=b"k", value=b"not from the ingress", partition=4) for _ in range(200)]
    async with reading(private_kafka.address, topics.DEAD_LETTERS) as dead_letters, running(process):
        await send(private_kafka.address, topics.REQUESTS, garbage)
        assert await process.wait() == 1
        assert await dead_letters.read_to_the_end() == []
    log = (tmp_path / f"normalizer-{process.address}.log").read_text()
    assert "MostRecordsFailError" in log
    assert "inlet.requests cannot be read" in log


async def test_it_waits_for_kafka_at_the_start_and_whenever_kafka_goes_away(
    private_kafka: Process, redis_url: str, tmp_path: Path, unique: str
) -> None:
    await ensure_topics(private_kafka.address)
    requests = traffic(unique)
    process = normalizer(private_kafka, redis_url, tmp_path)
    await private_kafka.stop()
    starting = asyncio.create_task(process.start())
    try:
        await eventually(lambda: answers(process, "/healthz", 200))
        assert await answers(process, "/readyz", 503)
        await private_kafka.start()
        await starting
        async with reading(private_kafka.address, topics.EVENTS) as events:
            await send_requests(private_kafka.address, requests)
            await events.wait_for(100)
            await private_kafka.kill()
            await eventually(lambda: answers(process, "/readyz", 503))
            await private_kafka.start()
            await all_events(private_kafka, requests, events)
            await eventually(lambda: answers(process, "/readyz", 200))
    finally:
        starting.cancel()
        await process.stop()


async def answers(process: Process, path: str, status: int) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"http://{process.address}{path}")).status_code == status
        except httpx.TransportError:
            return False
