import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process, ProcessFailedError
from libs.messages import Deduplication
from services.config.accounts import Accounts
from services.config.definitions import BusinessEvent
from services.config.errors import InvalidError, UnavailableError
from services.config.identity import ROLES, Workspace
from services.config.passwords import Passwords
from services.config.store import schema
from services.config.store.accounts import add_workspace, find_identity, find_user
from services.config.store.database import Database
from services.config.store.migrate import upgrade
from services.config.store.outbox import Outbox, Pending
from services.config.store.scope import Workspaces
from tests.eventually import eventually
from tests.integration.config import first_release
from tests.integration.config.control_plane import EMAIL, MASTER_KEY, PASSWORD, ControlPlane, serving, settings
from tests.integration.config.dying_postgres import dying_postgres
from tests.integration.pipeline import service


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, schema.metadata))


async def test_the_migrations_lead_from_nothing_to_the_tables_of_the_schema(tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    async with database.migrating() as connection:
        await connection.run_sync(upgrade)
        await connection.run_sync(upgrade)
        assert await connection.run_sync(differences) == []
    await database.close()


@pytest.mark.usefixtures("plane")  # it has made the tables
async def test_on_tables_of_a_later_release_it_ends_and_says_so(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    database = Database(chosen.database)
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    environment = {"INLET_KAFKA": chosen.kafka, "INLET_DATABASE": chosen.database, "INLET_MASTER_KEY": MASTER_KEY}
    older = service("config", tmp_path, environment)
    with pytest.raises(ProcessFailedError, match="the tables are those of a later release"):
        await older.start()


async def test_what_the_first_release_has_stored_is_still_there_after_an_upgrade(tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    async with database.migrating() as connection:
        await connection.run_sync(first_release.create)
    async with database.migrating() as connection:
        await connection.run_sync(upgrade)
        assert await connection.run_sync(differences) == []

    workspace_id, day = str(first_release.WORKSPACE), timedelta(days=1)
    async with Workspaces(database, lambda: datetime.now(UTC)).reading(workspace_id) as scope:
        integration = await scope.integrations.get(str(first_release.INTEGRATION))
        event = await scope.business_events.get(str(first_release.BUSINESS_EVENT))
    assert integration is not None
    assert integration.published is not None
    rules = Deduplication(parameters=("body.id", "headers.x-id"), on_redis_down="accept")
    assert (integration.draft.name, integration.draft.icon, integration.draft.deduplication) == ("Second", "bell", None)
    assert (integration.published.name, integration.published.deduplication) == ("First", rules)
    assert (integration.version, integration.created_at) == (7, first_release.NOW)
    assert event is not None
    assert (event.name, event.state, event.version) == ("High", "paused", 3)
    assert event.where["all"] == [{"param": "body.amount", "type": "number", "operator": "MORE", "value": 100.0}]
    assert (event.integration_id, event.updated_at) == (integration.id, first_release.NOW + day)

    async with database.reading() as connection:
        found = await find_user(connection, "ada@example.com")
        identity = await find_identity(connection, first_release.TOKEN_SHA256, first_release.NOW)
    assert found is not None
    assert identity is not None
    assert identity.permissions == ROLES["administrator"]
    assert found[1].id == identity.user_id == str(first_release.USER)
    assert (identity.workspace.id, identity.workspace.time_zone) == (workspace_id, "Europe/Berlin")
    tombstone, renamed = await records_after_a_change(database, workspace_id, event)
    assert tombstone == Pending(1, f"integration/{integration.id}", None)
    assert (renamed.id, renamed.key) == (2, f"business-event/{event.id}")
    await database.close()


async def records_after_a_change(database: Database, workspace_id: str, event: BusinessEvent) -> list[Pending]:
    async with Workspaces(database, lambda: datetime.now(UTC)).tending(workspace_id) as scope:
        await scope.store("changed", event, msgspec.structs.replace(event, name="Higher", version=event.version + 1))
    return (await Outbox(database).pending(10))[1]


async def test_a_migration_that_is_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    cut_short = database.migrating()
    connection = await cut_short.__aenter__()
    await connection.run_sync(upgrade)
    await cut_short.__aexit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    async with database.reading() as connection:
        assert await connection.run_sync(lambda tables: inspect(tables).get_table_names()) == []
    await database.close()


async def test_processes_that_start_at_once_create_one_administrator(tmp_path: Path) -> None:
    databases = [Database(settings(tmp_path).database) for _ in range(3)]
    starts = (
        Accounts(database, Passwords(), session_lifetime=timedelta(hours=1), now=lambda: datetime.now(UTC)).set_up(
            EMAIL, PASSWORD
        )
        for database in databases
    )
    await asyncio.gather(*starts)
    async with databases[0].reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(schema.users)) == 1
    for database in databases:
        await database.close()


async def store_workspaces(database: Database, *names: str) -> None:
    async with database.writing() as connection:
        for name in names:
            await add_workspace(connection, Workspace(id=str(uuid4()), name=name, time_zone="UTC"), datetime.now(UTC))


async def test_text_with_a_character_that_postgresql_cannot_hold_is_refused(tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    async with database.migrating() as connection:
        await connection.run_sync(upgrade)
    with pytest.raises(InvalidError):
        async with database.reading() as connection:
            await find_user(connection, "a\0b")
    with pytest.raises(InvalidError):
        await store_workspaces(database, "a", "a\0b")
    async with database.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(schema.workspaces)) == 0
    await database.close()


async def test_in_a_filter_that_character_is_an_operand_like_others(plane: ControlPlane) -> None:
    where = {"all": [{"param": "body.a", "type": "string", "operator": "EQUAL", "value": "a\0b"}]}
    body = {"name": "High", "integrationId": await plane.create_integration(), "where": where}
    created = await plane.call("POST", "/api/v1/business-events", body, status=201)
    assert (await plane.call("GET", f"/api/v1/business-events/{created['id']}"))["where"] == where


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
async def test_a_wrong_value_does_not_make_the_database_unavailable(tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    with pytest.raises(DBAPIError, match="division by zero"):
        async with database.reading() as connection:
            await connection.execute(text("SELECT 1 / 0"))
    await database.close()


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
async def test_a_replica_serves_on_after_another_has_migrated_the_tables(plane: ControlPlane, tmp_path: Path) -> None:
    path = f"/api/v1/integrations/{await plane.create_integration()}"
    before = await plane.call("GET", path)
    later = Database(settings(tmp_path).database)
    async with later.migrating() as connection:
        await connection.execute(text("ALTER TABLE integrations ALTER COLUMN draft TYPE varchar"))
    await later.close()

    async def is_served() -> bool:
        response = await plane.client.get(path)
        assert response.status_code in {200, 503}
        return response.status_code == 200

    await eventually(is_served, within_s=5)
    assert await plane.call("GET", path) == before


async def test_requests_are_answered_503_while_the_database_is_away_and_served_when_it_is_back(
    private_postgres: Process,
) -> None:
    async with serving(msgspec.structs.replace(settings(Path()), database=private_postgres.address)) as plane:
        path = f"/api/v1/integrations/{await plane.create_integration()}"
        await private_postgres.kill()
        refused = [await plane.client.get(path), await plane.client.post(f"{path}/publish")]
        assert [(answer.status_code, answer.headers["retry-after"]) for answer in refused] == [(503, "1")] * 2
        assert (await plane.call("GET", "/readyz", status=503))["sql"] is False
        await plane.call("GET", "/healthz")
        await private_postgres.start()
        assert (await plane.call("POST", f"{path}/publish"))["version"] == 1
        assert (await plane.call("GET", "/readyz", status=503))["sql"] is True


async def test_a_database_that_is_away_at_start_is_waited_for_and_said_to_be_away_once(
    private_postgres: Process, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "services.config")
    database = Database(private_postgres.address)
    accounts = Accounts(database, Passwords(), session_lifetime=timedelta(hours=1), now=lambda: datetime.now(UTC))

    async def work() -> None:
        await accounts.set_up(EMAIL, PASSWORD)

    await private_postgres.kill()
    assert not await database.set_up(work)
    assert not await database.set_up(work)
    await private_postgres.start()
    with pytest.raises(UnavailableError):  # it answers, but has no tables
        await accounts.log_in(EMAIL, PASSWORD, LOOPBACK)
    await database.until_set_up(work)
    assert await database.set_up(work)
    await accounts.log_in(EMAIL, PASSWORD, LOOPBACK)
    away, back = [record.getMessage() for record in caplog.records if record.name.endswith(".database")]
    assert away.startswith("the database does not answer, trying on: ")
    assert back == "the database answers"
    await database.close()


@pytest.mark.parametrize("wrong", ["postgresql://nobody@{}/postgres", "postgresql://postgres@{}/nothing"])
async def test_a_database_that_lets_nobody_in_is_unavailable(postgres: str, wrong: str) -> None:
    database = Database(wrong.format(postgres.split("@")[1].removesuffix("/postgres")))
    with pytest.raises(UnavailableError):
        await database.answers()
    await database.close()


async def test_sslmode_is_understood_as_other_clients_of_postgresql_do(postgres: str) -> None:
    insisting = Database(f"{postgres}?sslmode=require")
    with pytest.raises(UnavailableError) as refusal:
        await insisting.answers()
    assert "SSL" in str(refusal.value.__cause__)
    preferring = Database(f"{postgres}?sslmode=prefer")
    assert await preferring.answers()
    await preferring.close()


async def test_a_database_that_does_not_answer_is_unavailable() -> None:
    database = Database(f"postgresql://inlet:hunter2@{LOOPBACK}:{free_port()}/inlet")
    with pytest.raises(UnavailableError):
        await database.answers()
    await database.close()


async def test_a_database_that_dies_in_the_middle_of_a_statement_is_unavailable() -> None:
    async with dying_postgres() as postgres:
        database = Database(postgres.url)
        with pytest.raises(UnavailableError):
            await database.answers()
        assert postgres.lost == 1
        await database.close()
