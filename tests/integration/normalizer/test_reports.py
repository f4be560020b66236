"""What the normalizer tells of the requests that end with it: once, in the transaction that commits them."""

from collections import Counter
from pathlib import Path

from deploy.local.process import Process
from libs import topics
from libs.activity import Dead, Dropped
from services.normalizer.app import build
from services.normalizer.settings import Settings
from tests.integration.pipeline import (
    RECEIVED_AT,
    Request,
    Sent,
    new_integration,
    reading,
    running,
    send,
    send_requests,
    service,
    serving,
    wait_until_consumed,
)
from tests.integration.reported import pointers_in

INTEGRATIONS = 40
REQUESTS = 2_000


async def test_duplicates_and_dead_letters_are_told_and_events_are_not(
    broker: Process, redis_url: str, unique: str
) -> None:
    integration = new_integration()
    first, again = (Request(integration=integration, hash=unique) for _ in range(2))
    poison = Request(integration=integration, body=b"[1, 2]")
    nobodys = Sent(key=b"k", value=b"{}", partition=6)
    async with (
        reading(broker.address, topics.ACTIVITY) as activity,
        reading(broker.address, topics.REQUESTS) as requests,
        serving(build(Settings(kafka=broker.address, redis=redis_url)).app),
    ):
        await send(broker.address, topics.REQUESTS, [*(one.sent(6) for one in (first, again, poison)), nobodys])
        await activity.wait_for(1)
        await wait_until_consumed(broker.address, topics.REQUESTS, "inlet.normalizer")
        records = await activity.read_to_the_end()
        offsets = [record.offset for record in await requests.read_to_the_end()]
    assert {record.partition for record in records} == {6}
    assert pointers_in(records, topics.REQUESTS, integration) == [
        Dropped(again.event_id, offsets[1], RECEIVED_AT),
        Dead(poison.event_id, offsets[2], RECEIVED_AT, "not-a-json-object"),
    ]


async def test_killed_again_and_again_it_tells_of_every_duplicate_once(
    broker: Process, redis_url: str, tmp_path: Path, unique: str
) -> None:
    integrations = [new_integration() for _ in range(INTEGRATIONS)]
    requests = [
        Request(integration=integrations[number % INTEGRATIONS], hash=f"{unique}-{number % (REQUESTS // 4)}")
        for number in range(REQUESTS)
    ]
    environment = {"INLET_KAFKA": broker.address, "INLET_REDIS": redis_url}
    process = service("normalizer", tmp_path, environment, "normalizer-0")
    async with reading(broker.address, topics.ACTIVITY) as activity, running(process):
        for part in range(4):
            await send_requests(broker.address, requests[part * 500 : (part + 1) * 500])
            if part:
                await activity.wait_for(len(activity.records) + 1)
            await process.kill()
            await process.start()
        await wait_until_consumed(broker.address, topics.REQUESTS, "inlet.normalizer")
        records = await activity.read_to_the_end()
    told = [one.id for integration in integrations for one in pointers_in(records, topics.REQUESTS, integration)]
    assert Counter(told) == Counter(request.event_id for request in requests[REQUESTS // 4 :])
