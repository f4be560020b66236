import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select

from deploy.local.ports import LOOPBACK, free_port
from services.config.accounts import Accounts
from services.config.errors import UnavailableError
from services.config.passwords import Passwords
from services.config.store.database import Database
from services.config.store.migrate import upgrade
from services.config.store.schema import metadata, users
from tests.integration.config.control_plane import EMAIL, PASSWORD, settings
from tests.integration.config.dying_postgres import dying_postgres


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_lead_from_nothing_to_the_tables_of_the_schema(tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    async with database.migrating() as connection:
        await connection.run_sync(upgrade)
        await connection.run_sync(upgrade)
        assert await connection.run_sync(differences) == []
    await database.close()


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
        assert await connection.scalar(select(func.count()).select_from(users)) == 1
    for database in databases:
        await database.close()


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
