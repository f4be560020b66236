from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.config.console.browser import Browser, browser
from tests.integration.config.control_plane import SERVERS_ABOVE_THE_STORE, ControlPlane


@pytest.fixture(params=SERVERS_ABOVE_THE_STORE)
def server(request: pytest.FixtureRequest) -> str | None:
    """Pages know nothing of the database, and what they call is tested on each kind."""
    return str(request.getfixturevalue("postgres")) if request.param == "postgresql" else None


@pytest_asyncio.fixture
async def guest(plane: ControlPlane) -> AsyncIterator[Browser]:
    """Nobody is signed in."""
    async with browser(plane) as made:
        yield made


@pytest_asyncio.fixture
async def admin(guest: Browser) -> Browser:
    """The administrator, signed in."""
    return await guest.sign_in()
