"""Several relays on one database: one of them publishes at a time, and another when that one cannot."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from services.config.store.database import Database
from services.config.store.lock import RelayLock
from tests.eventually import eventually
from tests.integration.config.control_plane import serving, settings
from tests.integration.config.relays import (
    HeldOutbox,
    become_active,
    course,
    outbox_is_empty,
    relaying,
    stand_by,
    versions,
)
from tests.integration.config.topic import definitions_topic

END_THE_HOLDER = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
    "WHERE locktype = 'advisory' AND granted AND datname = current_database()"
)

POOL_SIZE = 15

postgresql = pytest.mark.parametrize("server", ["postgresql"], indirect=True)


async def end_the_session_with_the_lock(folder: Path) -> None:
    """Of this database; it may be that nobody has the lock at the moment."""
    database = Database(settings(folder).database)
    async with database.reading() as connection:
        await connection.execute(END_THE_HOLDER)
    await database.close()


@postgresql
async def test_of_two_relays_one_publishes_what_is_changed_at_either_and_the_other_fences_nobody(
    kafka: str, tmp_path: Path
) -> None:
    async with (
        definitions_topic(kafka) as topic,
        serving(settings(tmp_path)) as one,
        serving(settings(tmp_path)) as other,
        relaying(tmp_path, kafka) as (active, _),
    ):
        await become_active(active)
        producer = active._producer
        async with relaying(tmp_path, kafka) as (standby, _):
            path = f"/api/v1/business-events/{await one.create_business_event(await other.create_integration())}"
            for number in range(20):
                await one.call("PATCH", path, {"name": f"{number} at one"})
                await other.call("PATCH", path, {"name": f"{number} at the other"})
            history = await topic.history("business-event", path.rpartition("/")[2], 41)
            assert versions(history) == [*range(1, 42)]
            assert active._producer is producer
            assert standby._producer is None
            assert await standby.answers()


@postgresql
async def test_a_change_made_in_another_process_is_on_the_topic_without_one_in_this(kafka: str, tmp_path: Path) -> None:
    async with (
        definitions_topic(kafka) as topic,
        serving(settings(tmp_path)) as plane,
        relaying(tmp_path, kafka) as (active, _),
    ):
        path = f"/api/v1/integrations/{await plane.create_integration()}"
        await become_active(active)
        for number in range(1, 6):
            await plane.call("PATCH", path, {"name": str(number)})
            await plane.call("POST", f"{path}/publish")
            await topic.history("integration", path.rpartition("/")[2], number)


@postgresql
async def test_when_the_active_relay_ends_the_other_takes_over(kafka: str, tmp_path: Path) -> None:
    async with definitions_topic(kafka) as topic, serving(settings(tmp_path)) as plane, AsyncExitStack() as ending:
        path = f"/api/v1/integrations/{await plane.create_integration()}"
        active, _ = await ending.enter_async_context(relaying(tmp_path, kafka))
        await become_active(active)
        async with relaying(tmp_path, kafka) as (standby, _):
            await plane.call("POST", f"{path}/publish")
            await ending.aclose()
            await plane.call("POST", f"{path}/unpublish")
            await become_active(standby, within_s=10)
            assert await course(topic, "integration", path.rpartition("/")[2], None) == [1, None]


@postgresql
async def test_when_the_session_with_the_lock_is_lost_one_relay_goes_on(kafka: str, tmp_path: Path) -> None:
    async with (
        definitions_topic(kafka) as topic,
        serving(settings(tmp_path)) as plane,
        relaying(tmp_path, kafka) as (one, _),
        relaying(tmp_path, kafka) as (other, _),
    ):
        path = f"/api/v1/business-events/{await plane.create_business_event(await plane.create_integration())}"
        for number in range(5):
            await end_the_session_with_the_lock(tmp_path)
            await plane.call("PATCH", path, {"name": str(number)})
            await topic.history("business-event", path.rpartition("/")[2], number + 2)
        assert await course(topic, "business-event", path.rpartition("/")[2], 6) == [*range(1, 7)]

        async def one_is_active() -> bool:
            return (one._producer is None) is not (other._producer is None)

        await eventually(one_is_active)


@postgresql
async def test_a_relay_that_is_frozen_longer_than_its_lease_is_replaced_and_cannot_bring_back_what_was_deleted(
    kafka: str, tmp_path: Path
) -> None:
    async with definitions_topic(kafka) as topic, serving(settings(tmp_path)) as plane:
        integration_id = await plane.create_integration()
        path = f"/api/v1/integrations/{integration_id}"
        await plane.call("POST", f"{path}/publish")
        async with relaying(tmp_path, kafka, lease_s=1, outbox=HeldOutbox) as (frozen, outbox):
            assert isinstance(outbox, HeldOutbox)
            await outbox.reads.acquire()
            async with relaying(tmp_path, kafka) as (standby, _):
                await become_active(standby, within_s=15)
                await plane.call("DELETE", path, status=204)
                await eventually(lambda: outbox_is_empty(tmp_path))
                outbox.let_go.set()
                await stand_by(frozen)
                assert versions(await topic.rest("integration", integration_id)) == [1, None]


@postgresql
async def test_a_relay_that_does_not_reach_kafka_leaves_the_publishing_to_one_that_does(
    kafka: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with definitions_topic(kafka) as topic, serving(settings(tmp_path)) as plane:
        path = f"/api/v1/integrations/{await plane.create_integration()}"
        await plane.call("POST", f"{path}/publish")

        async def has_failed() -> bool:
            return "definitions are stored but cannot be published" in caplog.text

        await eventually(has_failed)
        async with relaying(tmp_path, kafka) as (publisher, _):
            await become_active(publisher)
            assert versions(await topic.history("integration", path.rpartition("/")[2], 1)) == [1]


@postgresql
async def test_of_two_processes_one_has_the_lock_until_it_lets_go(tmp_path: Path) -> None:
    databases = [Database(settings(tmp_path).database) for _ in range(2)]
    one, other = [RelayLock(database) for database in databases]
    assert [await one.is_ours(), await other.is_ours(), await one.is_ours()] == [True, False, True]
    await one.release()
    assert [await other.is_ours(), await one.is_ours()] == [True, False]
    for lock, database in zip((one, other), databases, strict=True):
        await lock.release()
        await database.close()


@postgresql
async def test_requests_that_use_up_the_pool_do_not_keep_the_lock_from_being_held(tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    lock = RelayLock(database)
    async with AsyncExitStack() as requests:
        for _ in range(POOL_SIZE):
            await requests.enter_async_context(database.reading())
        assert await lock.is_ours()
    await lock.release()
    await database.close()


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_on_sqlite_the_only_process_has_the_lock(kafka: str, tmp_path: Path) -> None:
    async with definitions_topic(kafka), relaying(tmp_path, kafka) as (publisher, _):
        await become_active(publisher)
