import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from deploy.local.postgres import postgres_session
from deploy.local.process import Process
from libs import topics
from libs.messages import BusinessEvent, Deduplication, Integration, NoAuth
from services.config.publisher import DefinitionsPublisher, PublishError
from services.config.relay import Relay
from services.config.store.database import Database
from services.config.store.lock import RelayLock
from services.config.store.outbox import Outbox, Pending
from services.config.store.scope import Workspaces
from tests.eventually import eventually
from tests.integration.config.control_plane import EVERYTHING, ControlPlane, serving, settings
from tests.integration.config.dying_postgres import dying_postgres
from tests.integration.config.topic import DefinitionsTopic, State, definitions_topic, pending

postgresql = pytest.mark.parametrize("server", ["postgresql"], indirect=True)
END_THE_HOLDER = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")


async def is_ready(plane: ControlPlane) -> bool:
    return (await plane.client.get("/readyz")).status_code == 200


async def is_unready(plane: ControlPlane) -> bool:
    return not await is_ready(plane)


async def outbox_is_empty(folder: Path) -> bool:
    return not await pending(folder)


def versions(history: list[State]) -> list[int | None]:
    return [state.version if isinstance(state, Integration | BusinessEvent) else None for state in history]


async def test_what_an_author_does_arrives_on_the_topic_in_order(kafka: str, tmp_path: Path) -> None:
    async with definitions_topic(kafka) as topic, serving(settings(tmp_path, kafka)) as plane:
        workspace = (await plane.call("GET", "/api/v1/me"))["workspace"]["id"]
        integration_id = await plane.create_integration(
            "First", deduplication={"parameters": ["headers.X-Id"], "onRedisDown": "accept"}
        )
        path = f"/api/v1/integrations/{integration_id}"
        await plane.call("POST", f"{path}/publish")
        event_id = await plane.create_business_event(integration_id)
        await plane.call("PATCH", path, {"name": "Second", "deduplication": None})
        await plane.call("POST", f"{path}/publish")
        await plane.call("POST", f"/api/v1/business-events/{event_id}/pause")
        await plane.call("DELETE", f"/api/v1/business-events/{event_id}", status=204)
        await plane.call("POST", f"{path}/unpublish")
        await plane.call("DELETE", path, status=204)

        first = Integration(
            id=integration_id,
            workspace=workspace,
            name="First",
            version=1,
            auth=NoAuth(),
            deduplication=Deduplication(parameters=("headers.x-id",), on_redis_down="accept"),
        )
        second = Integration(id=integration_id, workspace=workspace, name="Second", version=2, auth=NoAuth())
        assert await topic.history("integration", integration_id, 3) == [first, second, None]

        active = BusinessEvent(
            id=event_id,
            workspace=workspace,
            name="High",
            version=1,
            integration_id=integration_id,
            state="active",
            where=EVERYTHING,
        )
        paused = msgspec.structs.replace(active, version=2, state="paused")
        assert await topic.history("business-event", event_id, 3) == [active, paused, None]


async def test_deleting_a_published_integration_takes_it_off_the_topic(kafka: str, tmp_path: Path) -> None:
    async with definitions_topic(kafka) as topic, serving(settings(tmp_path, kafka)) as plane:
        integration_id = await plane.create_integration()
        await plane.call("POST", f"/api/v1/integrations/{integration_id}/publish")
        await plane.call("DELETE", f"/api/v1/integrations/{integration_id}", status=204)
        assert (await topic.history("integration", integration_id, 2))[-1] is None


async def test_what_is_not_public_never_reaches_the_topic(kafka: str, tmp_path: Path) -> None:
    async with definitions_topic(kafka) as topic, serving(settings(tmp_path, kafka)) as plane:
        draft_id = await plane.create_integration()
        await plane.call("PATCH", f"/api/v1/integrations/{draft_id}", {"name": "Still a draft"})
        await plane.call("DELETE", f"/api/v1/integrations/{draft_id}", status=204)
        later_id = await plane.create_integration()
        await plane.call("POST", f"/api/v1/integrations/{later_id}/publish")
        await topic.history("integration", later_id, 1)
        assert await topic.rest("integration", draft_id) == []


async def test_many_changes_at_once_arrive_in_the_order_of_their_versions(kafka: str, tmp_path: Path) -> None:
    async with definitions_topic(kafka) as topic, serving(settings(tmp_path, kafka)) as plane:
        event_id = await plane.create_business_event(await plane.create_integration())
        path = f"/api/v1/business-events/{event_id}"
        await asyncio.gather(*(plane.call("PATCH", path, {"name": f"name {n}"}) for n in range(150)))
        history = await topic.history("business-event", event_id, 151)
        assert versions(history) == [*range(1, 152)]
        assert (await plane.call("GET", path))["version"] == 151


async def test_what_was_stored_while_kafka_was_away_is_published_after_a_crash(kafka: str, tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as plane:
        integration_id = await plane.create_integration()
        path = f"/api/v1/integrations/{integration_id}"
        await plane.call("POST", f"{path}/publish")
        event_id = await plane.create_business_event(integration_id)
        await plane.call("POST", f"{path}/unpublish")
        assert (await plane.call("GET", "/readyz", status=503)) == {"sql": True, "kafka": False}
        assert (await plane.call("GET", "/healthz")) == {"progress": True}
    async with definitions_topic(kafka) as topic, serving(settings(tmp_path, kafka)) as plane:
        assert versions(await topic.history("integration", integration_id, 2)) == [1, None]
        await topic.history("business-event", event_id, 1)
        await eventually(lambda: is_ready(plane))
        await eventually(lambda: outbox_is_empty(tmp_path))


async def test_a_crash_before_the_rows_are_deleted_repeats_them_and_ends_in_the_same_state(
    kafka: str, tmp_path: Path
) -> None:
    async with serving(settings(tmp_path)) as plane:
        integration_id = await plane.create_integration()
        path = f"/api/v1/integrations/{integration_id}"
        await plane.call("POST", f"{path}/publish")
        await plane.call("POST", f"{path}/unpublish")
    async with definitions_topic(kafka) as topic:
        publisher = DefinitionsPublisher(kafka)
        await publisher.connect()
        await publisher.publish(await pending(tmp_path))
        await publisher.close()
        once = list(await topic.history("integration", integration_id, 2))
        async with serving(settings(tmp_path, kafka)):
            assert await topic.history("integration", integration_id, 4) == once * 2


async def test_an_older_relay_that_wakes_up_again_cannot_publish(kafka: str, unique: str) -> None:
    def version(number: int) -> Pending:
        definition = Integration(id=unique, workspace="w", name="x", version=number, auth=NoAuth())
        return Pending(number, f"integration/{unique}", msgspec.json.encode(definition).decode())

    async with definitions_topic(kafka) as topic:
        older, newer = DefinitionsPublisher(kafka), DefinitionsPublisher(kafka)
        await older.connect()
        await older.publish([version(1)])
        await newer.connect()
        await newer.publish([version(2)])
        with pytest.raises(PublishError):
            await older.publish([version(1)])
        await newer.publish([version(3)])
        await older.close()
        await newer.close()
        await topic.history("integration", unique, 3)
        assert versions(await topic.rest("integration", unique)) == [1, 2, 3]


class HeldOutbox(Outbox):
    """One whose reader is frozen, as a process can be, after it has read and until it is let go."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.reads = asyncio.Semaphore(0)
        self.let_go = asyncio.Event()

    async def pending(self, limit: int) -> tuple[int, list[Pending]]:
        read = await super().pending(limit)
        self.reads.release()
        await self.let_go.wait()
        return read


async def test_a_relay_that_read_its_rows_before_another_published_them_cannot_bring_back_what_was_deleted(
    kafka: str, tmp_path: Path
) -> None:
    async with serving(settings(tmp_path)) as plane:
        integration_id = await plane.create_integration()
        path = f"/api/v1/integrations/{integration_id}"
        await plane.call("POST", f"{path}/publish")
    database = Database(settings(tmp_path).database)
    outbox, publisher = HeldOutbox(database), DefinitionsPublisher(kafka)
    async with definitions_topic(kafka) as topic:
        late = asyncio.create_task(Relay(outbox, publisher, Workspaces(database, lambda: datetime.now(UTC))).run())
        await outbox.reads.acquire()
        async with serving(settings(tmp_path, kafka)) as plane:
            await plane.call("DELETE", path, status=204)
            await eventually(lambda: outbox_is_empty(tmp_path))
        outbox.let_go.set()
        await outbox.reads.acquire()
        assert versions(await topic.rest("integration", integration_id)) == [1, None]
        late.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await late
    await publisher.close()
    await database.close()


@asynccontextmanager
async def relaying(
    folder: Path, kafka: str, *, lease_s: float = 20, outbox: type[Outbox] = Outbox
) -> AsyncIterator[tuple[DefinitionsPublisher, Outbox]]:
    """A relay of another process, as far as the database and Kafka can tell."""
    database, publisher = Database(settings(folder).database), DefinitionsPublisher(kafka)
    rows = outbox(database)
    workspaces, lock = Workspaces(database, lambda: datetime.now(UTC)), RelayLock(database, lease_s=lease_s)
    relay = asyncio.create_task(Relay(rows, publisher, workspaces, lock).run())
    try:
        yield publisher, rows
    finally:
        relay.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await relay
        await publisher.close()
        await database.close()


async def course(topic: DefinitionsTopic, kind: str, identifier: str, last: int | None) -> list[int | None]:
    """The versions on the topic once the last one is there. One that a relay has repeated at its end counts once."""

    async def has_arrived() -> bool:
        return versions(await topic.rest(kind, identifier))[-1:] == [last]

    await eventually(has_arrived)
    return [version for version, _ in groupby(versions(await topic.rest(kind, identifier)))]


async def become_active(publisher: DefinitionsPublisher, within_s: float = 30) -> None:
    async def is_active() -> bool:
        return publisher._producer is not None

    await eventually(is_active, within_s=within_s)


async def stand_by(publisher: DefinitionsPublisher) -> None:
    async def stands_by() -> bool:
        return publisher._producer is None

    await eventually(stands_by)


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
            await become_active(standby, within_s=2)
            assert await course(topic, "integration", path.rpartition("/")[2], None) == [1, None]


@postgresql
async def test_when_the_session_with_the_lock_is_lost_one_relay_goes_on(
    kafka: str, tmp_path: Path, server: str
) -> None:
    async with (
        definitions_topic(kafka) as topic,
        serving(settings(tmp_path)) as plane,
        relaying(tmp_path, kafka) as (one, _),
        relaying(tmp_path, kafka) as (other, _),
    ):
        path = f"/api/v1/business-events/{await plane.create_business_event(await plane.create_integration())}"
        for number in range(5):
            async with postgres_session(server) as session:
                await session.execute(END_THE_HOLDER)
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
                await become_active(standby, within_s=5)
                await plane.call("DELETE", path, status=204)
                await eventually(lambda: outbox_is_empty(tmp_path))
                outbox.let_go.set()
                await stand_by(frozen)
                assert versions(await topic.rest("integration", integration_id)) == [1, None]


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_on_sqlite_the_only_process_has_the_lock(kafka: str, tmp_path: Path) -> None:
    async with definitions_topic(kafka), relaying(tmp_path, kafka) as (publisher, _):
        await become_active(publisher)


async def test_a_database_that_dies_in_the_middle_of_a_statement_does_not_end_the_relay(kafka: str) -> None:
    await topics.ensure_topics(kafka)
    async with dying_postgres() as postgres:
        database, publisher = Database(postgres.url), DefinitionsPublisher(kafka)
        workspaces = Workspaces(database, lambda: datetime.now(UTC))
        relay = asyncio.create_task(Relay(Outbox(database), publisher, workspaces).run())

        async def has_tried_on() -> bool:
            return relay.done() or postgres.lost > 1

        await eventually(has_tried_on)
        assert not relay.done()
        relay.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await relay
        await publisher.close()
        await database.close()


async def test_a_kafka_that_has_lost_everything_gets_what_is_live_again(
    kafka: str, private_kafka: Process, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await topics.ensure_topics(kafka)
    async with serving(settings(tmp_path, kafka)) as plane:
        live_id, closed_id, draft_id = [await plane.create_integration(name) for name in ("live", "closed", "draft")]
        await plane.call("POST", f"/api/v1/integrations/{live_id}/publish")
        await plane.call("PATCH", f"/api/v1/integrations/{live_id}", {"name": "not yet live"})
        await plane.call("POST", f"/api/v1/integrations/{closed_id}/publish")
        await plane.call("POST", f"/api/v1/integrations/{closed_id}/unpublish")
        event_id = await plane.create_business_event(live_id)
        await plane.call("POST", f"/api/v1/business-events/{event_id}/pause")
        await eventually(lambda: outbox_is_empty(tmp_path))
    replaced = private_kafka.address
    async with definitions_topic(replaced) as topic:
        async with serving(settings(tmp_path, replaced)):
            (event,) = await topic.history("business-event", event_id, 1)
            (integration,) = await topic.history("integration", live_id, 1)
            await eventually(lambda: outbox_is_empty(tmp_path))
        assert isinstance(integration, Integration)
        assert isinstance(event, BusinessEvent)
        assert (integration.name, integration.version) == ("live", 1)
        assert (event.state, event.version) == ("paused", 2)
        async with serving(settings(tmp_path, replaced)) as plane:  # and now that it is there, not once more
            await plane.call("POST", f"/api/v1/business-events/{event_id}/activate")
            assert versions(await topic.history("business-event", event_id, 2)) == [2, 3]
        assert await topic.rest("integration", live_id) == [integration]
        assert await topic.rest("integration", closed_id) == []
        assert await topic.rest("integration", draft_id) == []
    assert [record.getMessage() for record in caplog.records if "is empty" in record.getMessage()] == [
        "the definitions topic is empty: everything that is live is published again: 4"
    ]


async def test_kafka_may_go_and_come_back_without_a_restart(private_kafka: Process, tmp_path: Path) -> None:
    bootstrap = private_kafka.address
    await topics.ensure_topics(bootstrap)
    async with serving(settings(tmp_path, bootstrap)) as plane:
        integration_id = await plane.create_integration()
        path = f"/api/v1/integrations/{integration_id}"
        await plane.call("POST", f"{path}/publish")
        await eventually(lambda: is_ready(plane))
        await private_kafka.kill()
        await plane.call("POST", f"{path}/unpublish")
        await plane.call("POST", f"{path}/publish")
        await eventually(lambda: is_unready(plane))
        await private_kafka.start()
        await eventually(lambda: is_ready(plane), within_s=60)
        await eventually(lambda: outbox_is_empty(tmp_path))
    async with definitions_topic(bootstrap) as topic:
        assert versions(await topic.history("integration", integration_id, 3)) == [1, None, 2]
