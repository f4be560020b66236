"""Activity on its way from the topic to the database: everything once, whatever dies, and bounded."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from sqlalchemy import func, select

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process, Program
from deploy.local.rest import is_ready
from libs import telemetry, topics
from libs.activity import RECENT_LIMIT, Report
from services.config.activity_reader import ActivityReader
from services.config.entries import Counts, Entry, Gathered, gather
from services.config.store import recent, schema
from services.config.store.activity import ActivityStore, Offsets, OffsetsMovedError
from services.config.store.database import Database
from tests.eventually import eventually
from tests.integration.config.control_plane import EMAIL, MASTER_KEY, PASSWORD, ControlPlane, serving, settings
from tests.integration.config.telling import AT, counted, matched, rejection, tell

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Stored:
    """What is in the database of a control plane."""

    def __init__(self, plane: ControlPlane, database: Database) -> None:
        self.plane = plane
        self.database = database
        self.activity = ActivityStore(database)

    async def workspace_of(self, integration_id: str) -> str:
        table = schema.integrations
        async with self.database.reading() as connection:
            return str(await connection.scalar(select(table.c.workspace_id).where(table.c.id == integration_id)))

    async def entries(self, integration_id: str) -> list[Entry]:
        workspace_id = await self.workspace_of(integration_id)
        async with self.database.reading() as connection:
            return await recent.latest(connection, workspace_id, integration_id)

    async def counts(self, integration_id: str) -> Counts:
        workspace_id = await self.workspace_of(integration_id)
        async with self.database.reading() as connection:
            seen = await recent.seen_since(connection, workspace_id, [integration_id], LONG_AGO)
        return seen[integration_id].counts if integration_id in seen else Counts()

    async def rows(self, integration_id: str) -> list[int]:
        """The sizes of the rows, the oldest first."""
        table = schema.activity_entries
        query = select(table.c.size).where(table.c.integration_id == integration_id).order_by(table.c.id)
        async with self.database.reading() as connection:
            return [*await connection.scalars(query)]

    async def until_counted(self, integration_id: str, expected: Counts, *, within_s: float = 30) -> None:
        async def is_counted() -> bool:
            return await self.counts(integration_id) >= expected

        await eventually(is_counted, within_s=within_s)
        assert await self.counts(integration_id) == expected


@asynccontextmanager
async def storing(folder: Path, kafka: str | None = None) -> AsyncIterator[Stored]:
    """A control plane, with a look into its database; without `kafka` nothing is read."""
    database = Database(settings(folder).database)
    try:
        async with serving(settings(folder, kafka)) as plane:
            yield Stored(plane, database)
    finally:
        await database.close()


@pytest_asyncio.fixture
async def stored(tmp_path: Path) -> AsyncIterator[Stored]:
    async with storing(tmp_path) as stored:
        yield stored


@pytest_asyncio.fixture
async def live(tmp_path: Path, kafka: str) -> AsyncIterator[Stored]:
    await topics.ensure_topics(kafka)
    async with storing(tmp_path, kafka) as stored:
        yield stored


async def test_what_is_told_is_stored_added_up(live: Stored, kafka: str) -> None:
    integration_id, other = [await live.plane.create_integration() for _ in range(2)]
    told: list[Report] = [counted(integration_id, 3, 2, 1, recent=(rejection(),)) for _ in range(20)]
    told += [matched(integration_id, 5, at=AT + timedelta(minutes=1)), counted(other, 1)]
    await tell(kafka, told)
    await live.until_counted(integration_id, Counts(60, 40, 20))
    await live.until_counted(other, Counts(1, 0, 0))
    outcomes = [entry.outcome for entry in await live.entries(integration_id)]
    assert outcomes == ["no-match"] * 5 + ["rejected"] * 20
    assert sum(await live.rows(integration_id)) == 25


async def test_what_is_no_report_is_said_and_passed_over(
    live: Stored, kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    integration_id = await live.plane.create_integration()
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        at = await producer.send_and_wait(topics.ACTIVITY, b'{"kind":"from-the-future"}', partition=3)
        await producer.send_and_wait(topics.ACTIVITY, None, b"k", partition=3)
    await tell(kafka, [counted(integration_id, 1)])
    await live.until_counted(integration_id, Counts(1, 0, 0))
    assert caplog.text.count(f"record inlet.activity/3/{at.offset} is no report") == 1


async def test_an_integration_that_is_not_there_is_passed_over_and_one_that_is_deleted_leaves_nothing(
    stored: Stored,
) -> None:
    integration_id = await stored.plane.create_integration()
    unknown = "01947a3e-5b8c-7def-8123-456789abcdef"
    told: list[Report] = [
        counted(integration_id, 1, recent=(rejection(),)),
        counted(unknown, 1, recent=(rejection(),)),
        matched(integration_id, 3),
    ]
    await stored.activity.add(gather(told), {}, {0: 3})
    assert len(await stored.entries(integration_id)) == 4
    await stored.plane.call("DELETE", f"/api/v1/integrations/{integration_id}", status=204)
    async with stored.database.reading() as connection:
        for table in (schema.activity_entries, schema.activity_counts, schema.last_requests):
            assert await connection.scalar(select(func.count()).select_from(table)) == 0


async def test_of_two_that_store_the_same_one_is_refused_and_stores_nothing(stored: Stored) -> None:
    integration_id = await stored.plane.create_integration()
    gathered = gather([counted(integration_id, 1), matched(integration_id, 1)])
    await stored.activity.add(gathered, {}, {0: 2, 1: 5})
    for began in ({}, {0: 1, 1: 5}, {0: 2}):
        with pytest.raises(OffsetsMovedError):
            await stored.activity.add(gathered, began, {0: 3, 1: 6})
    assert await stored.activity.offsets() == {0: 2, 1: 5}
    assert await stored.counts(integration_id) == Counts(1, 0, 0)
    await stored.activity.add(gathered, {0: 2, 1: 5}, {1: 6})
    assert await stored.activity.offsets() == {0: 2, 1: 6}
    assert await stored.counts(integration_id) == Counts(2, 0, 0)


async def test_of_many_rows_those_are_kept_that_hold_the_latest_entries(stored: Stored) -> None:
    integration_id, other = [await stored.plane.create_integration() for _ in range(2)]
    sizes = [30, 150, 40, 7, 100, 60]
    for number, size in enumerate(sizes):
        told = [matched(integration_id, size, at=AT + timedelta(hours=number)), matched(other, 1)]
        began = {0: number} if number else {}
        await stored.activity.add(gather(told), began, {0: number + 1})
    assert await stored.rows(integration_id) == [40, 7, 100, 60]
    assert await stored.rows(other) == [1] * 6
    entries = await stored.entries(integration_id)
    assert len(entries) == RECENT_LIMIT
    assert entries == sorted(entries, key=lambda entry: entry.at, reverse=True)
    assert entries[0].at == AT + timedelta(hours=5, seconds=59)


async def test_counts_are_kept_for_eight_days(stored: Stored) -> None:
    integration_id = await stored.plane.create_integration()
    told = [counted(integration_id, 1, at=AT), counted(integration_id, 1, at=AT - timedelta(days=9))]
    await stored.activity.add(gather(told), {}, {0: 2})
    assert await stored.counts(integration_id) == Counts(2, 0, 0)
    await stored.activity.forget(AT)
    assert await stored.counts(integration_id) == Counts(1, 0, 0)


async def test_readers_that_all_believe_to_have_the_turn_count_everything_once(stored: Stored, kafka: str) -> None:
    await topics.ensure_topics(kafka)
    integration_id = await stored.plane.create_integration()
    readers = [
        asyncio.create_task(ActivityReader(kafka, stored.activity, lambda: True, lambda: AT).run()) for _ in range(3)
    ]
    try:
        for _ in range(10):
            await tell(kafka, [counted(integration_id, 1) for _ in range(20)])
        await stored.until_counted(integration_id, Counts(200, 0, 0))
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def test_without_its_turn_a_reader_stores_nothing_and_with_it_everything(stored: Stored, kafka: str) -> None:
    await topics.ensure_topics(kafka)
    integration_id = await stored.plane.create_integration()
    asked, is_our_turn = 0, False

    def ask() -> bool:
        nonlocal asked
        asked += 1
        return is_our_turn

    async def has_asked() -> bool:
        return asked > 2

    reader = asyncio.create_task(ActivityReader(kafka, stored.activity, ask, lambda: AT).run())
    try:
        await tell(kafka, [counted(integration_id, 1)])
        await eventually(has_asked)
        assert await stored.activity.offsets() == {}
        is_our_turn = True
        await stored.until_counted(integration_id, Counts(1, 0, 0))
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


class Waiting(ActivityStore):
    """Stores nothing before it may."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.may_store = asyncio.Event()

    async def add(self, gathered: Gathered, began: Offsets, ended: Offsets) -> None:
        await self.may_store.wait()
        await super().add(gathered, began, ended)


async def test_what_is_not_stored_yet_is_counted_as_pending(stored: Stored, private_kafka: Process) -> None:
    await topics.ensure_topics(private_kafka.address)
    registry = telemetry.registry_of("config")

    async def is_pending(count: int) -> bool:
        return registry.get_sample_value("inlet_config_activity_pending") == count

    integration_id = await stored.plane.create_integration()
    await tell(private_kafka.address, [counted(integration_id, 1) for _ in range(7)])
    store = Waiting(stored.database)
    reader = asyncio.create_task(ActivityReader(private_kafka.address, store, lambda: True, lambda: AT).run())
    try:
        await eventually(lambda: is_pending(7))
        store.may_store.set()
        await stored.until_counted(integration_id, Counts(7, 0, 0))
        await eventually(lambda: is_pending(0))
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def test_where_kafka_has_lost_its_data_it_goes_on_with_what_there_is(
    stored: Stored, private_kafka: Process
) -> None:
    await topics.ensure_topics(private_kafka.address)
    integration_id = await stored.plane.create_integration()
    await stored.activity.add(gather([]), {}, dict.fromkeys(range(12), 1_000_000))
    reader = asyncio.create_task(ActivityReader(private_kafka.address, stored.activity, lambda: True, lambda: AT).run())
    try:
        await tell(private_kafka.address, [counted(integration_id, 1) for _ in range(30)])
        await stored.until_counted(integration_id, Counts(30, 0, 0))
        await private_kafka.stop()
        await private_kafka.start()
        await tell(private_kafka.address, [counted(integration_id, 1) for _ in range(30)])
        await stored.until_counted(integration_id, Counts(60, 0, 0))
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


def config(folder: Path, kafka: str, database: str) -> Process:
    address = f"{LOOPBACK}:{free_port()}"
    return Process(
        Program(
            name="config",
            command=(sys.executable, "-m", "services", "config"),
            address=address,
            log=folder / "config.log",
            is_ready=lambda: is_ready(address),
            environment={
                "INLET_KAFKA": kafka,
                "INLET_DATABASE": database,
                "INLET_MASTER_KEY": MASTER_KEY,
                "INLET_DRAIN_S": "0",
                "INLET_PORT": address.rpartition(":")[2],
                "INLET_ADMIN_EMAIL": EMAIL,
                "INLET_ADMIN_PASSWORD": PASSWORD,
            },
        )
    )


async def test_killed_again_and_again_it_counts_everything_once(tmp_path: Path, kafka: str) -> None:
    await topics.ensure_topics(kafka)
    async with storing(tmp_path) as prepared:
        integration_id = await prepared.plane.create_integration()
    process, database = config(tmp_path, kafka, settings(tmp_path).database), Database(settings(tmp_path).database)
    stored = Stored(prepared.plane, database)
    await process.start()
    try:
        for turn in range(3):

            async def goes_on(turn: int = turn) -> bool:
                return (await stored.counts(integration_id)).accepted > turn * 400

            async with asyncio.TaskGroup() as telling:
                told = [counted(integration_id, 1, at=datetime.now(UTC)) for _ in range(500)]
                telling.create_task(tell(kafka, told))
                await eventually(goes_on)
                await process.kill()
            await process.start()
        await stored.until_counted(integration_id, Counts(1_500, 0, 0))
    finally:
        await process.stop()
        await database.close()
