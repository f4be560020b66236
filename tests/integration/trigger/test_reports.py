"""What the trigger service tells of the events it has matched: once, in the transaction that commits them."""

from collections import Counter
from pathlib import Path

import msgspec

from deploy.local.process import Process
from libs import topics
from libs.activity import RECENT_LIMIT, Dead, Matched
from libs.telemetry import registry_of
from services.trigger.app import build
from services.trigger.settings import Settings
from tests.integration.pipeline import (
    RECEIVED_AT,
    Sent,
    metric,
    new_integration,
    reading,
    running,
    send,
    service,
    serving,
    wait_until_consumed,
)
from tests.integration.reported import pointers_in, reports_in
from tests.integration.trigger.authors import business_event, define, event

PARTITIONS = 12
INTEGRATIONS = 40
EVENTS = 2_000


def counted() -> list[float]:
    """How many events were matched, and how many triggers published, in this process."""
    registry = registry_of("trigger")
    names = ("inlet_trigger_events_total", "inlet_trigger_triggers_total")
    return [registry.get_sample_value(name) or 0 for name in names]


def id_of(sent: Sent) -> str:
    return sent.key.decode()


async def test_an_event_that_matches_and_one_that_does_not_are_told_with_what_they_have_matched(
    broker: Process,
) -> None:
    integration = new_integration()
    high, everything = business_event(integration, priority="high"), business_event(integration)
    await define(broker.address, high, everything)
    sent = [event(integration, 5, priority="high"), event(integration, 5, priority="low")]
    elsewhere = event(new_integration(), 5)
    async with (
        reading(broker.address, topics.ACTIVITY) as activity,
        reading(broker.address, topics.EVENTS) as events,
        serving(build(Settings(kafka=broker.address)).app),
    ):
        before = counted()
        await send(broker.address, topics.EVENTS, [*sent, elsewhere])
        await activity.wait_for(1)
        await wait_until_consumed(broker.address, topics.EVENTS, "inlet.trigger")
        records = await activity.read_to_the_end()
        first, second, third = [record.offset for record in await events.read_to_the_end()]
        after = counted()
    assert {record.partition for record in records} == {5}
    assert pointers_in(records, topics.EVENTS, integration) == [
        Matched(id_of(sent[0]), first, RECEIVED_AT, 2, tuple(sorted([high.id, everything.id]))),
        Matched(id_of(sent[1]), second, RECEIVED_AT, 1, (everything.id,)),
    ]
    told = [one for record in records for one in reports_in([record], topics.EVENTS, integration)]
    assert {one.partition for one in told} == {5}
    assert third not in [pointer.offset for one in told for pointer in one.ended[integration]]
    assert [now - then for now, then in zip(after, before, strict=True)] == [3, 3]


async def test_a_dead_letter_is_told_with_its_cause(broker: Process) -> None:
    integration = new_integration()
    slow = {"param": "body.texts.*", "type": "string", "operator": "REGEXP", "value": "((a?){100}b?){8}[cd]$"}
    await define(broker.address, msgspec.structs.replace(business_event(integration), where=slow))
    costly = event(integration, 3, texts=["a" * 4000] * 300)
    async with (
        reading(broker.address, topics.ACTIVITY) as activity,
        reading(broker.address, topics.EVENTS) as events,
        serving(build(Settings(kafka=broker.address)).app),
    ):
        await send(broker.address, topics.EVENTS, [Sent(key=b"k", value=b"{}", partition=3), costly])
        await activity.wait_for(1)
        await wait_until_consumed(broker.address, topics.EVENTS, "inlet.trigger")
        records = await activity.read_to_the_end()
        offset = (await events.read_to_the_end())[-1].offset
    assert pointers_in(records, topics.EVENTS, integration) == [Dead(id_of(costly), offset, RECEIVED_AT, "too-costly")]


async def test_killed_again_and_again_it_tells_of_every_event_once(broker: Process, tmp_path: Path) -> None:
    integrations = [new_integration() for _ in range(INTEGRATIONS)]
    sent = [event(integrations[number % INTEGRATIONS], number % PARTITIONS) for number in range(EVENTS)]
    process = service("trigger", tmp_path, {"INLET_KAFKA": broker.address}, "trigger-0")
    async with reading(broker.address, topics.ACTIVITY) as activity, running(process):
        for part in range(4):
            await send(broker.address, topics.EVENTS, sent[part * 500 : (part + 1) * 500])
            await activity.wait_for(len(activity.records) + 1)
            await process.kill()
            await process.start()
        await wait_until_consumed(broker.address, topics.EVENTS, "inlet.trigger")
        records = await activity.read_to_the_end()
        assert await metric(process, "inlet_trigger_triggers_total") == 0
    told = [one.id for integration in integrations for one in pointers_in(records, topics.EVENTS, integration)]
    assert Counter(told) == Counter(map(id_of, sent))


async def test_of_a_flood_the_latest_are_told(broker: Process) -> None:
    integration = new_integration()
    sent = [event(integration, 8) for _ in range(1_000)]
    async with reading(broker.address, topics.ACTIVITY) as activity:
        await send(broker.address, topics.EVENTS, sent)
        async with serving(build(Settings(kafka=broker.address)).app):
            await activity.wait_for(1)
            await wait_until_consumed(broker.address, topics.EVENTS, "inlet.trigger")
            records = await activity.read_to_the_end()
    told = reports_in(records, topics.EVENTS, integration)
    assert max(len(one.ended[integration]) for one in told) == RECENT_LIMIT
    assert [one.id for one in told[-1].ended[integration]] == [id_of(one) for one in sent[-RECENT_LIMIT:]]
