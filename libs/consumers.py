"""Consumers of no group, of every partition of a topic. What is not committed they see if asked to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from libs.clients import start_whole, stop_whole


@asynccontextmanager
async def consumer_of(bootstrap: str, isolation_level: str = "read_committed") -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that nothing is assigned to yet. Where there is nothing at an offset it does not go elsewhere.

    Raises:
        KafkaError: the broker is away.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level=isolation_level,
    )
    await start_whole(consumer.start, consumer.stop)
    try:
        yield consumer
    finally:
        await stop_whole(consumer.stop)


async def partitions_of(bootstrap: str, topic: str) -> list[TopicPartition]:
    """The partitions that a topic has now.

    Raises:
        KafkaError: the broker is away, or there is no such topic.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await start_whole(admin.start, admin.close)
    try:
        [described] = await admin.describe_topics([topic])
    finally:
        await stop_whole(admin.close)
    if described["error_code"]:
        raise for_code(described["error_code"])(topic)
    return sorted(TopicPartition(topic, one["partition"]) for one in described["partitions"])
