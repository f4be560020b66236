"""A workflow engine: what a read_committed consumer sees on the topics."""

import msgspec
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from libs import topics
from libs.messages import BusinessEventRef, Event
from tests.consuming import read_all
from tests.eventually import eventually

NORMALIZER_GROUP = "inlet.normalizer"
TRIGGER_GROUP = "inlet.trigger"


class TriggerRead(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A trigger as the contract shows it."""

    id: str
    business_event: BusinessEventRef
    event: Event


async def read_events(bootstrap: str, integration_id: str) -> list[Event]:
    events = [msgspec.json.decode(record.value, type=Event) for record in await read_all(bootstrap, topics.EVENTS)]
    return [event for event in events if event.integration.id == integration_id]


async def read_triggers(bootstrap: str, integration_id: str) -> list[TriggerRead]:
    records = await read_all(bootstrap, topics.TRIGGERS)
    triggers = [msgspec.json.decode(record.value, type=TriggerRead) for record in records]
    return [trigger for trigger in triggers if trigger.event.integration.id == integration_id]


async def settle(bootstrap: str, *, within_s: float = 60) -> None:
    """Return once everything on the topics has gone all the way, so that what is not there will not come."""
    await _consumed(bootstrap, topics.REQUESTS, NORMALIZER_GROUP, within_s)
    await _consumed(bootstrap, topics.EVENTS, TRIGGER_GROUP, within_s)


async def _consumed(bootstrap: str, topic: str, group: str, within_s: float) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()

    async def committed() -> dict[TopicPartition, int]:
        found = await admin.list_consumer_group_offsets(group)
        return {partition: at.offset for partition, at in found.items() if at.offset >= 0}

    try:
        rest = await read_all(bootstrap, topic, since=await committed())
        last = {TopicPartition(topic, one.partition): one.offset for one in rest}

        async def is_consumed() -> bool:
            now = await committed()
            return all(now.get(partition, -1) > offset for partition, offset in last.items())

        await eventually(is_consumed, within_s=within_s, said=f"{group} did not consume all of {topic}")
    finally:
        await admin.close()
