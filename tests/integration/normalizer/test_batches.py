"""Split requests on real Kafka and Redis: every part once, in one partition, whatever dies in between."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from aiokafka.structs import ConsumerRecord

from deploy.local.process import Process
from libs import topics
from libs.identifiers import part_id
from libs.messages import Batch, Event
from services.normalizer.app import build
from services.normalizer.settings import Settings
from tests.integration.pipeline import (
    Request,
    new_integration,
    reading,
    running,
    send,
    send_requests,
    service,
    serving,
    wait_until_consumed,
)

BY_MESSAGE = Batch(parameters=("body.entry.0.changes.0.id",))
REQUESTS = 300
CHANGES = 10


def batch(integration: str, messages: Sequence[str], by: Batch = BY_MESSAGE) -> Request:
    changes = [{"id": message} for message in messages]
    return Request(integration=integration, batch=by, body=msgspec.json.encode({"entry": [{"changes": changes}]}))


def decoded(records: Sequence[ConsumerRecord]) -> list[Event]:
    return [msgspec.json.decode(record.value, type=Event) for record in records]


async def test_of_the_parts_of_all_requests_each_hash_is_one_event(
    broker: Process, redis_url: str, unique: str
) -> None:
    integration = new_integration()
    first = batch(integration, [f"{unique}-{name}" for name in ("a", "b", "a")])
    second = batch(integration, [f"{unique}-{name}" for name in ("b", "c")])
    third = batch(integration, [f"{unique}-a"], by=Batch())
    application = build(Settings(kafka=broker.address, redis=redis_url)).app
    async with reading(broker.address, topics.EVENTS) as events, serving(application):
        await send(broker.address, topics.REQUESTS, [one.sent(partition=4) for one in (first, second, third)])
        records = await events.wait_for(4)
        await wait_until_consumed(broker.address, topics.REQUESTS, "inlet.normalizer")
        records = await events.read_to_the_end()
    assert [event.id for event in decoded(records)] == [
        part_id(first.event_id, "0.0"),
        part_id(first.event_id, "0.1"),
        part_id(second.event_id, "0.1"),
        part_id(third.event_id, "0.0"),
    ]
    assert [event.request_id for event in decoded(records)] == [
        *(first.event_id, first.event_id, second.event_id, third.event_id)
    ]
    assert {(record.key, record.partition) for record in records} == {(integration.encode(), 4)}


async def test_killed_again_and_again_it_loses_and_doubles_no_part(
    broker: Process, redis_url: str, tmp_path: Path, unique: str
) -> None:
    """Every message comes in two requests, the second time among others."""
    integration = new_integration()
    names = [f"{unique}-{number}" for number in range(REQUESTS * CHANGES // 2)]
    shuffled = [names[number * 7 % len(names)] for number in range(len(names))]
    sent = [*names, *shuffled]
    requests = [batch(integration, sent[start : start + CHANGES]) for start in range(0, len(sent), CHANGES)]
    environment = {"INLET_KAFKA": broker.address, "INLET_REDIS": redis_url}
    process = service("normalizer", tmp_path, environment, "normalizer-0")
    async with reading(broker.address, topics.EVENTS) as events, running(process):
        for part in range(3):
            await send_requests(broker.address, requests[part * 100 : (part + 1) * 100])
            if part < 2:
                await events.wait_for(len(events.records) + 50)
            await process.kill()
            await process.start()
        await wait_until_consumed(broker.address, topics.REQUESTS, "inlet.normalizer")
        found = decoded(await events.read_to_the_end())
    assert Counter(event.parameters["body.entry.0.changes.0.id"] for event in found) == Counter(names)
    assert len({event.id for event in found}) == len(names)
