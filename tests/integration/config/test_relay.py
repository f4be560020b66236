import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from deploy.local.process import Process
from libs import topics
from libs.messages import BusinessEvent, Deduplication, Integration, NoAuth
from services.config.publisher import DefinitionsPublisher, PublishError
from services.config.relay import Relay
from services.config.store.database import Database
from services.config.store.outbox import Outbox, Pending
from services.config.store.scope import Workspaces
from tests.eventually import eventually
from tests.integration.config.control_plane import EVERYTHING, ControlPlane, serving, settings
from tests.integration.config.dying_postgres import dying_postgres
from tests.integration.config.relays import HeldOutbox, outbox_is_empty, versions
from tests.integration.config.topic import definitions_topic, pending


async def is_ready(plane: ControlPlane) -> bool:
    return (await plane.client.get("/readyz")).status_code == 200


async def is_unready(plane: ControlPlane) -> bool:
    return not await is_ready(plane)


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
