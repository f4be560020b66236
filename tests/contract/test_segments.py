"""Reading the broker's files, compared with what its clients see."""

from pathlib import Path

from aiokafka import AIOKafkaProducer

from deploy.local.process import Process
from libs.topics import EVENTS, ensure_topics
from tests.chaos.history import Place
from tests.chaos.segments import aborted
from tests.consuming import read_all


async def test_the_records_of_aborted_transactions_are_told_from_all_others(
    private_kafka: Process, tmp_path: Path
) -> None:
    await ensure_topics(private_kafka.address, partitions=2)
    async with writer(private_kafka) as plain:
        await plain.send_and_wait(EVENTS, b"of no transaction", partition=1)
    first = writer(private_kafka, "t")
    await first.start()
    for value, commit in ((b"committed", True), (b"aborted", False)):
        await first.begin_transaction()
        for _ in range(2):
            await first.send_and_wait(EVENTS, value, partition=1)
        if commit:
            await first.commit_transaction()
    async with writer(private_kafka, "t") as second, second.transaction():  # its start aborts what is open
        await second.send_and_wait(EVENTS, b"committed", partition=1)
    await first.stop()

    seen = await read_all(private_kafka.address, EVENTS)
    assert [record.value for record in seen] == [b"of no transaction", b"committed", b"committed", b"committed"]
    # Behind 0, and 1 and 2 with their marker at 3.
    assert aborted(tmp_path / "kafka" / "data", EVENTS) == {Place(EVENTS, 1, 4), Place(EVENTS, 1, 5)}


def writer(kafka: Process, transactional_id: str | None = None) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=kafka.address, transactional_id=transactional_id)
