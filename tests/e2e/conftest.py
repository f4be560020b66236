"""The whole product as processes, once for all end-to-end tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.settings import LocalSettings
from deploy.local.stack import Stack, running_stack
from tests.conftest import or_skip
from tests.e2e.author import Author


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of the stack."""
    return tmp_path_factory.mktemp("stack")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(state: Path) -> AsyncIterator[Stack]:
    """Kafka, Redis and the four services. A test that breaks one of them puts it right again."""
    async with or_skip(running_stack(LocalSettings.on_free_ports(state))) as running:
        yield running


@pytest_asyncio.fixture
async def author(stack: Stack) -> AsyncIterator[Author]:
    """An administrator, signed in."""
    async with Author(stack.url("config")) as signed_in:
        await signed_in.sign_in(stack.admin.email, stack.admin.password)
        yield signed_in
