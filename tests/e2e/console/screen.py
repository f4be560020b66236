"""A browser in front of the console. Whatever it complains about is remembered."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Request, Response, StorageState, async_playwright

from tests.eventually import eventually

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-quic"),
]
PAGE_LIMIT_BYTES = 100_000
ZONE = "Asia/Kolkata"
# The browser says this of every answer that is no success; here an answer is looked at as such.
_ANSWERED = "Failed to load resource: the server responded with a status of 4"
_LISTEN = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium; without one the test is skipped, but in CI it fails."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            raise FileNotFoundError("there is no chromium on the path")
        pytest.skip("there is no chromium on the path")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


class Screen:
    """One tab: the URLs it `asked`, what it complained about as `faults`, and the `sizes` of the bodies of answers."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.asked: list[str] = []
        self.faults: list[str] = []
        self._finished: list[Request] = []
        page.on("console", lambda said: self._complain(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("response", self._answered)
        page.on("requestfinished", self._done)

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        browser: Browser,
        url: str,
        state: StorageState | None = None,
        **options: Any,  # noqa: ANN401 of a context
    ) -> AsyncIterator[Self]:
        """A tab of its own; at the end there must be nothing to complain about."""
        context = await browser.new_context(
            base_url=url, storage_state=state, timezone_id=ZONE, locale="en-GB", **options
        )
        context.set_default_timeout(15_000)
        await context.add_init_script(_LISTEN)
        screen = cls(await context.new_page(), url)
        try:
            yield screen
            assert screen.faults == []
            assert [one for one in await screen.sizes() if one[1] > PAGE_LIMIT_BYTES] == []
        finally:
            await context.close()

    async def sign_in(self, email: str, password: str) -> None:
        await self.page.goto("/sign-in")
        await self.page.get_by_label("Email address").fill(email)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url("**/incoming")

    async def sizes(self) -> list[tuple[str, int]]:
        return [(one.url, (await one.sizes())["responseBodySize"]) for one in self._finished]

    async def is_too_wide(self) -> bool:
        """Whether the page, and not only a part of it, has to be moved sideways to be read."""
        is_too_wide: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return is_too_wide

    async def cut_tables(self) -> list[str]:
        """The names of the tables that have to be moved sideways to be read."""
        cut: list[str] = await self.page.locator(".scroll").evaluate_all(
            "(tables) => tables.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.ariaLabel)"
        )
        return cut

    async def barriers(self, *, only: str = "") -> list[str]:
        """What keeps people out, of all rules of axe-core or of one of them: the serious and the critical ones."""
        options: dict[str, object] = {"resultTypes": ["violations"]}
        if only:
            options["runOnly"] = [only]
        found = await Axe().run(self.page, options=options)
        return [
            f"{one['id']}: {[node['target'] for node in one['nodes']]}"
            for one in found.response["violations"]
            if one["impact"] in {"serious", "critical"}
        ]

    def _done(self, request: Request) -> None:
        self._finished.append(request)

    def _complain(self, text: str) -> None:
        if not text.startswith(_ANSWERED):
            self.faults.append(text)

    def _answered(self, response: Response) -> None:
        is_page = response.request.resource_type in {"document", "fetch", "eventsource"}
        if response.status >= 500 or (response.status >= 400 and not is_page):
            self.faults.append(f"{response.status} {response.url}")


Open = Callable[..., AbstractAsyncContextManager[Screen]]


async def answered(sender: httpx.AsyncClient, url: str, status: int, headers: dict[str, str], raw: bytes) -> None:
    """Send until this is the answer: what was changed a moment ago is on its way to the ingress."""

    async def is_so() -> bool:
        given = {"content-type": "application/json", **headers}
        return (await sender.post(url, content=raw, headers=given)).status_code == status

    await eventually(is_so, said=f"never answered {status}")
