"""The order of what is stored for the topic, with transactions that are under way at the same time."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from deploy.local.postgres import postgres_session
from libs.messages import Integration, NoAuth
from services.config.identity import Workspace
from services.config.store.accounts import add_workspace
from services.config.store.database import Database
from services.config.store.migrate import upgrade
from services.config.store.scope import Workspaces
from tests.eventually import eventually
from tests.integration.config.control_plane import serving, settings
from tests.integration.config.locks import somebody_waits
from tests.integration.config.relays import outbox_is_empty, relaying, versions
from tests.integration.config.topic import definitions_topic, pending

pytestmark = pytest.mark.parametrize("server", ["postgresql"], indirect=True)


def now() -> datetime:
    return datetime.now(UTC)


def definition(identifier: str, version: int) -> Integration:
    return Integration(id=identifier, workspace="w", name="x", version=version, auth=NoAuth())


async def with_workspaces(database: Database, count: int) -> list[str]:
    """The ids of new workspaces in a new database."""
    ids = [str(uuid4()) for _ in range(count)]
    async with database.migrating() as connection:
        await connection.run_sync(upgrade)
        for workspace_id in ids:
            await add_workspace(connection, Workspace(id=workspace_id, name="x", time_zone="UTC"), now())
    return ids


async def test_a_change_that_is_committed_after_a_later_one_is_published_too(kafka: str, tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    workspaces = Workspaces(database, now)
    one, other = await with_workspaces(database, 2)
    async with definitions_topic(kafka) as topic, relaying(tmp_path, kafka):
        async with workspaces.tending(one) as slow:
            await slow.announce([definition(one, 1)])
            async with workspaces.tending(other) as quick:
                await quick.announce([definition(other, 1)])
            await topic.history("integration", other, 1)
            await eventually(lambda: outbox_is_empty(tmp_path))
        assert versions(await topic.history("integration", one, 1)) == [1]
        await eventually(lambda: outbox_is_empty(tmp_path))
    await database.close()


async def test_changes_of_one_workspace_wait_for_each_other_so_that_their_records_are_in_order(tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    workspaces = Workspaces(database, now)
    (workspace_id,) = await with_workspaces(database, 1)

    async def follow() -> None:
        async with workspaces.tending(workspace_id) as scope:
            await scope.announce([definition("second", 1)])

    async with workspaces.tending(workspace_id) as scope:
        following = asyncio.create_task(follow())
        await eventually(lambda: somebody_waits(database))
        await scope.announce([definition("first", 1)])
    await following
    assert [record.key for record in await pending(tmp_path)] == ["integration/first", "integration/second"]
    await database.close()


async def test_no_change_is_lost_whatever_the_isolation_is_that_the_database_has_by_default(
    tmp_path: Path, server: str, unique: str
) -> None:
    async with postgres_session(server) as session:
        await session.execute(text(f"ALTER DATABASE {unique} SET default_transaction_isolation = 'repeatable read'"))
    async with serving(settings(tmp_path)) as plane:
        path = f"/api/v1/business-events/{await plane.create_business_event(await plane.create_integration())}"
        await asyncio.gather(*(plane.call("PATCH", path, {"name": f"name {n}"}) for n in range(10)))
        assert (await plane.call("GET", path))["version"] == 11
