import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.conftest import database_on
from tests.integration.config.control_plane import DATABASE_URL, SQLITE_FILE, Clock, ControlPlane, serving, settings


class Begun(NamedTuple):
    """A database as a first start and a login leave it: the SQLite file, or the name on the server; and the token."""

    database: str
    token: str


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> str | None:
    """The PostgreSQL to use, or None for SQLite."""
    return str(request.getfixturevalue("postgres")) if request.param == "postgresql" else None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def begun_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    folder = tmp_path_factory.mktemp("begun")
    return Begun(str(folder / SQLITE_FILE), await begin(folder))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def begun_postgresql(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> AsyncIterator[Begun]:
    folder = tmp_path_factory.mktemp("begun")
    async with database_on(postgres, "begun") as url:
        (folder / DATABASE_URL).write_text(url)
        yield Begun("begun", await begin(folder))


async def begin(folder: Path) -> str:
    """Start the control plane on an empty database and log in; the session's token."""
    async with serving(settings(folder)) as plane:
        return plane.token


@pytest.fixture
def begun(request: pytest.FixtureRequest, server: str | None) -> Begun | None:
    """What the database of a test is copied from, if it uses `plane`; any other begins with an empty one."""
    if "plane" not in request.fixturenames:
        return None
    found = request.getfixturevalue("begun_sqlite" if server is None else "begun_postgresql")
    assert isinstance(found, Begun)
    return found


@pytest_asyncio.fixture
async def tmp_path(tmp_path: Path, server: str | None, begun: Begun | None, unique: str) -> AsyncIterator[Path]:
    """The test's folder, and with it its database: every test that has one runs once on each kind.

    A test for one kind only says so: ``@pytest.mark.parametrize("server", ["sqlite"], indirect=True)``.
    """
    async with AsyncExitStack() as stack:
        if server is not None:
            url = await stack.enter_async_context(database_on(server, unique, begun.database if begun else "template1"))
            (tmp_path / DATABASE_URL).write_text(url)
        elif begun is not None:
            shutil.copy(begun.database, tmp_path)
        yield tmp_path


@pytest_asyncio.fixture
async def plane(tmp_path: Path, begun: Begun) -> AsyncIterator[ControlPlane]:
    """A control plane of this test's own, without Kafka."""
    async with serving(settings(tmp_path), token=begun.token) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def timed(tmp_path: Path, clock: Clock) -> AsyncIterator[ControlPlane]:
    """As `plane`, with a time that its test moves."""
    async with serving(settings(tmp_path), clock) as plane:
        yield plane
