from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import database_on
from tests.integration.config.control_plane import DATABASE_URL, ControlPlane, serving, settings


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> str | None:
    """The PostgreSQL to use, or None for SQLite."""
    return str(request.getfixturevalue("postgres")) if request.param == "postgresql" else None


@pytest_asyncio.fixture
async def tmp_path(tmp_path: Path, server: str | None, unique: str) -> AsyncIterator[Path]:
    """The test's folder, and with it its database: every test that has one runs once on each kind.

    A test for one kind only says so: ``@pytest.mark.parametrize("server", ["sqlite"], indirect=True)``.
    """
    async with AsyncExitStack() as stack:
        if server is not None:
            url = await stack.enter_async_context(database_on(server, unique))
            (tmp_path / DATABASE_URL).write_text(url)
        yield tmp_path


@pytest_asyncio.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    """A control plane of this test's own, without Kafka."""
    async with serving(settings(tmp_path)) as running:
        yield running
