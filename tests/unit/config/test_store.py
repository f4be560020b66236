from pathlib import Path

import pytest
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InternalError, OperationalError, ProgrammingError

from libs.settings import SettingsError
from services.config.errors import UnavailableError
from services.config.store.database import Database
from services.config.store.schema import metadata


def test_every_table_that_holds_what_somebody_owns_names_its_workspace() -> None:
    outside = {name for name, table in metadata.tables.items() if "workspace_id" not in table.c}
    assert outside == {"workspaces", "outbox", "activity_offsets"}


@pytest.mark.parametrize(
    "url", ["mysql://root:hunter2@db/inlet", "postgresql://root:hunter2@db:5432x/inlet", "hunter2", "", "sqlite"]
)
def test_a_database_of_another_kind_is_refused_without_repeating_its_address(url: str) -> None:
    with pytest.raises(SettingsError, match="INLET_DATABASE") as refusal:
        Database(url)
    assert "hunter2" not in str(refusal.value)


async def raised_in_a_transaction(folder: Path, kind: type[DBAPIError]) -> None:
    database = Database(f"sqlite:///{folder / 'inlet.db'}")
    try:
        async with database.writing():
            raise kind("SELECT 1", None, Exception("connection was closed in the middle of operation"))
    finally:
        await database.close()


@pytest.mark.parametrize("kind", [DBAPIError, OperationalError, InternalError])
async def test_an_error_of_the_database_makes_it_unavailable(tmp_path: Path, kind: type[DBAPIError]) -> None:
    with pytest.raises(UnavailableError):
        await raised_in_a_transaction(tmp_path, kind)


@pytest.mark.parametrize("kind", [IntegrityError, ProgrammingError, DataError])
async def test_a_wrong_statement_does_not_make_the_database_unavailable(tmp_path: Path, kind: type[DBAPIError]) -> None:
    with pytest.raises(kind):
        await raised_in_a_transaction(tmp_path, kind)
