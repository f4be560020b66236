"""One browser for a module, and an administrator who is signed in."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, StorageState

from deploy.local.stack import Stack
from tests.e2e.author import Author
from tests.e2e.console.screen import Open, Screen, chromium


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cookies(browser: Browser, stack: Stack) -> StorageState:
    """The cookies of an administrator who is signed in."""
    async with Screen.opened(browser, stack.url("config")) as screen:
        await screen.sign_in(stack.admin.email, stack.admin.password)
        return await screen.page.context.storage_state()


@pytest.fixture
def opened(browser: Browser, stack: Stack, cookies: StorageState) -> Open:
    """Opens a tab in which an administrator is signed in."""
    return lambda **options: Screen.opened(browser, stack.url("config"), cookies, **options)


@pytest_asyncio.fixture(loop_scope="module")
async def sender() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def author(stack: Stack) -> AsyncIterator[Author]:
    async with Author(stack.url("config")) as signed_in:
        await signed_in.sign_in(stack.admin.email, stack.admin.password)
        yield signed_in
