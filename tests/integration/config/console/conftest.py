from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.config.console.browser import Browser, browser
from tests.integration.config.control_plane import ControlPlane


@pytest.fixture
def server() -> None:
    """SQLite: pages know nothing of the database, and what they call is tested on each kind."""


@pytest_asyncio.fixture
async def guest(plane: ControlPlane) -> AsyncIterator[Browser]:
    """Nobody is signed in."""
    async with browser(plane) as made:
        yield made


@pytest_asyncio.fixture
async def admin(guest: Browser) -> Browser:
    """The administrator, signed in."""
    return await guest.sign_in()
