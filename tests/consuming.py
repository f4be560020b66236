"""Reading a topic to its end, without a group."""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from libs import topics


def consumer_of(
    bootstrap: str, topic: str, isolation_level: str = "read_committed", *, begin: str = "earliest"
) -> AIOKafkaConsumer:
    """A consumer of every partition, not started. It begins with the "earliest" record or after the "latest"."""
    return AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset=begin,
        isolation_level=isolation_level,
        max_partition_fetch_bytes=topics.RECORD_LIMIT_BYTES,
    )


async def ends_of(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """Where each partition ends now.

    Only to a read_uncommitted consumer is it the end of what has been written. Others are told where the first open
    transaction begins; and one that is committed ends on one partition after the other, so that the offset of its
    group can be seen before its records can.
    """
    ends: dict[TopicPartition, int] = await consumer.end_offsets(list(consumer.assignment()))
    return ends


async def read_up_to(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> list[ConsumerRecord]:
    """What the consumer has not read yet, once the transactions before those ends have ended."""
    records: list[ConsumerRecord] = []
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        for batch in (await consumer.getmany(timeout_ms=100)).values():
            records += batch
    return records


async def read_all(
    bootstrap: str, topic: str, since: Mapping[TopicPartition, int] | None = None
) -> list[ConsumerRecord]:
    """Everything committed on a topic up to its end now, in the order of each partition; `since` leaves out the rest.

    Transactions that are open now are waited for.
    """
    async with consumer_of(bootstrap, topic, "read_uncommitted") as uncommitted:
        ends = await ends_of(uncommitted)
    async with consumer_of(bootstrap, topic) as consumer:
        for partition, offset in (since or {}).items():
            consumer.seek(partition, offset)
        return await read_up_to(consumer, ends)
