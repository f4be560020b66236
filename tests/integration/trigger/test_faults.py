"""The trigger service as a process: killed, doubled, and given what it cannot use."""

from collections import Counter
from pathlib import Path

import msgspec
from aiokafka.structs import ConsumerRecord

from deploy.local.process import Process
from libs import topics
from libs.messages import BusinessEvent, Trigger
from libs.topics import ensure_topics
from tests.integration.pipeline import (
    Sent,
    metric,
    new_integration,
    reading,
    running,
    send,
    service,
    wait_until_consumed,
)
from tests.integration.trigger.authors import business_event, define, event

GROUP = "inlet.trigger"
PARTITIONS = 12


def trigger(broker: Process, folder: Path, instance_id: str = "") -> Process:
    return service("trigger", folder, {"INLET_KAFKA": broker.address}, instance_id)


def events(integration: str, count: int) -> list[Sent]:
    return [
        event(integration, number % PARTITIONS, priority="high" if number % 3 else "low") for number in range(count)
    ]


def assert_exact(sent: list[Sent], everything: BusinessEvent, high: BusinessEvent, found: list[ConsumerRecord]) -> None:
    """One trigger for each event, and one more where the priority is high."""
    triggers = [msgspec.json.decode(record.value, type=Trigger) for record in found]
    matches = Counter((record.key, trigger.business_event.id) for record, trigger in zip(found, triggers, strict=True))
    expected = [(one.key, everything.id) for one in sent]
    expected += [(one.key, high.id) for one in sent if b'"priority":"high"' in (one.value or b"")]
    assert matches == Counter(expected)
    assert len({trigger.id for trigger in triggers}) == len(triggers)


async def test_killed_again_and_again_it_loses_and_doubles_nothing(broker: Process, tmp_path: Path) -> None:
    integration = new_integration()
    everything, high = business_event(integration), business_event(integration, priority="high")
    await define(broker.address, everything, high)
    sent = events(integration, 4_000)
    process = trigger(broker, tmp_path, "trigger-0")
    async with reading(broker.address, topics.TRIGGERS) as triggers, running(process):
        for part in range(4):
            await send(broker.address, topics.EVENTS, sent[part * 1000 : (part + 1) * 1000])
            await triggers.wait_for(len(triggers.records) + 50)
            await process.kill()
            await process.start()
        await wait_until_consumed(broker.address, topics.EVENTS, GROUP)
        assert_exact(sent, everything, high, await triggers.read_to_the_end())


async def test_a_replica_that_joins_and_one_that_leaves_lose_and_double_nothing(
    broker: Process, tmp_path: Path
) -> None:
    integration = new_integration()
    everything, high = business_event(integration), business_event(integration, priority="high")
    await define(broker.address, everything, high)
    sent = events(integration, 4_000)
    first, second = trigger(broker, tmp_path), trigger(broker, tmp_path)
    async with reading(broker.address, topics.TRIGGERS) as triggers, running(first):
        await send(broker.address, topics.EVENTS, sent[:2000])
        await triggers.wait_for(50)
        async with running(second):
            await send(broker.address, topics.EVENTS, sent[2000:])
            await triggers.wait_for(len(triggers.records) + 50)
            await first.stop()
            await wait_until_consumed(broker.address, topics.EVENTS, GROUP)
            assert_exact(sent, everything, high, await triggers.read_to_the_end())


async def test_a_business_event_that_it_cannot_use_ends_it_and_the_events_wait(
    private_kafka: Process, tmp_path: Path
) -> None:
    kafka = private_kafka.address
    await ensure_topics(kafka)
    integration = new_integration()
    usable = business_event(integration)
    later: dict[str, object] = {"param": "body.a", "type": "string", "operator": "SOUNDS_LIKE", "value": "b"}
    await define(kafka, usable)
    process = trigger(private_kafka, tmp_path, "trigger-0")
    async with reading(kafka, topics.TRIGGERS) as triggers, running(process):
        await define(kafka, msgspec.structs.replace(usable, where=later))
        assert await process.wait() == 1
        log = (tmp_path / f"trigger-{process.address}.log").read_text()
        assert f"business-event/{usable.id} cannot be used by this version" in log
        await send(kafka, topics.EVENTS, events(integration, 24))
        await define(kafka, usable)
        await process.start()
        assert len(await triggers.wait_for(24)) == 24
        assert await metric(process, "inlet_trigger_events_total") == 24
