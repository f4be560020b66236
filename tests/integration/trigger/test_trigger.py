"""The trigger service's application inside this process, on real Kafka."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid5

import httpx
import msgspec

from deploy.local.process import Process
from libs import topics
from libs.exactly_once import outcomes
from libs.messages import Trigger, definition_key
from services.trigger.app import build
from services.trigger.settings import Settings
from tests.eventually import eventually
from tests.integration.pipeline import Sent, new_integration, reading, send, serving
from tests.integration.trigger.authors import business_event, define, delete, event


@asynccontextmanager
async def triggering(broker: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(build(Settings(kafka=broker.address)).app) as http:
        yield http


async def test_an_event_is_published_once_for_each_business_event_that_it_satisfies(broker: Process) -> None:
    integration = new_integration()
    high = business_event(integration, priority="high")
    everything = business_event(integration)
    low = business_event(integration, priority="low")
    paused = msgspec.structs.replace(business_event(integration), state="paused")
    elsewhere = business_event(new_integration())
    await define(broker.address, high, everything, low, paused, elsewhere)
    sent = event(integration, partition=9, priority="high")
    async with reading(broker.address, topics.TRIGGERS) as triggers, triggering(broker):
        await send(broker.address, topics.EVENTS, [sent])
        records = await triggers.wait_for(2)
        assert len(records) == 2
    decoded = [msgspec.json.decode(record.value, type=Trigger) for record in records]
    assert [one.business_event.id for one in decoded] == sorted([high.id, everything.id])
    assert {(record.key, record.partition) for record in records} == {(sent.key, 9)}
    for trigger, record in zip(decoded, records, strict=True):
        assert bytes(trigger.event) == sent.value
        assert trigger.id == str(uuid5(UUID(sent.key.decode()), trigger.business_event.id))
        headers = dict(record.headers)
        assert (headers["ce_id"], headers["ce_subject"]) == (trigger.id.encode(), trigger.business_event.id.encode())


async def test_a_business_event_counts_from_its_creation_until_it_is_paused_or_deleted(broker: Process) -> None:
    integration = new_integration()
    always, other = business_event(integration), business_event(integration)
    await define(broker.address, always)
    async with reading(broker.address, topics.TRIGGERS) as triggers, triggering(broker):

        async def matched() -> set[str]:
            """What an event sent now satisfies; `always` shows that it has been matched."""
            await send(broker.address, topics.EVENTS, [sent := event(integration)])
            await triggers.wait_for(len(triggers.records) + 1)
            found = [record for record in triggers.records if record.key == sent.key]
            return {msgspec.json.decode(record.value, type=Trigger).business_event.id for record in found}

        async def only_always() -> bool:
            return await matched() == {always.id}

        async def both() -> bool:
            return await matched() == {always.id, other.id}

        assert await only_always()
        await define(broker.address, other)
        await eventually(both)
        await define(broker.address, msgspec.structs.replace(other, state="paused"))
        await eventually(only_always)
        await define(broker.address, other)
        await eventually(both)
        await delete(broker.address, other)
        await eventually(only_always)


async def test_a_malformed_event_becomes_a_dead_letter_and_the_partition_moves_on(broker: Process) -> None:
    integration = new_integration()
    await define(broker.address, business_event(integration))
    good = event(integration, partition=4)
    async with (
        reading(broker.address, topics.TRIGGERS) as triggers,
        reading(broker.address, topics.DEAD_LETTERS) as dead_letters,
        triggering(broker),
    ):
        await send(broker.address, topics.EVENTS, [Sent(key=b"k", value=b"{}", partition=4), good])
        assert [record.key for record in await triggers.wait_for(1)] == [good.key]
        (letter,) = await dead_letters.wait_for(1)
    assert letter.value == b"{}"
    headers = dict(letter.headers)
    assert (headers[outcomes.CAUSE], headers[outcomes.SERVICE]) == (b"malformed-event", b"trigger")


async def test_an_event_that_would_take_too_long_is_a_dead_letter_and_the_partition_moves_on(broker: Process) -> None:
    hostile, integration = new_integration(), new_integration()
    slow = {"param": "body.texts.*", "type": "string", "operator": "REGEXP", "value": "((a?){100}b?){8}[cd]$"}
    await define(broker.address, msgspec.structs.replace(business_event(hostile), where=slow))
    await define(broker.address, business_event(integration))
    costly = event(hostile, partition=3, texts=["a" * 4000] * 300)
    good = event(integration, partition=3)
    async with (
        reading(broker.address, topics.TRIGGERS) as triggers,
        reading(broker.address, topics.DEAD_LETTERS) as dead_letters,
        triggering(broker),
    ):
        await send(broker.address, topics.EVENTS, [costly, good])
        assert [record.key for record in await triggers.wait_for(1)] == [good.key]
        (letter,) = await dead_letters.wait_for(1)
    assert (letter.key, dict(letter.headers)[outcomes.CAUSE]) == (costly.key, b"too-costly")


async def test_an_event_of_almost_the_limit_is_published(broker: Process) -> None:
    integration = new_integration()
    await define(broker.address, business_event(integration))
    big = event(integration, partition=6, text="x" * 10_400_000)
    async with reading(broker.address, topics.TRIGGERS) as triggers, triggering(broker):
        await send(broker.address, topics.EVENTS, [big])
        (record,) = await triggers.wait_for(1)
    assert bytes(msgspec.json.decode(record.value, type=Trigger).event) == big.value


async def test_it_is_ready_and_documents_itself(broker: Process) -> None:
    async with triggering(broker) as http:

        async def is_ready() -> bool:
            return (await http.get("/readyz")).is_success

        await eventually(is_ready)
        channels = (await http.get("/asyncapi.json")).json()["channels"]
        assert set(channels) == {topics.EVENTS, topics.TRIGGERS}


async def test_ended_while_it_starts_it_leaves_nothing_open(broker: Process) -> None:
    for requests in range(0, 50, 5):  # each ends it at another point of its start
        async with triggering(broker) as http:
            for _ in range(requests):
                await http.get("/healthz")
    gc.collect()  # what was left open warns when it is collected, and warnings are errors


def test_the_key_by_which_the_view_knows_business_events_is_that_of_the_topic() -> None:
    assert definition_key(business_event("i")).startswith(b"business-event/")
