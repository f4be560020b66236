"""What the first view of a page of the console takes, with nothing in the browser's cache.

Run it with ``python -m bench.first_view [times]``. It starts the product on ports of its own, fills it, and opens each
page in Chromium, which has to be on the path. The time is that until something is painted, from the click on.
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import httpx
from playwright.async_api import Browser, Page, Request, async_playwright

from bench.revocation import call
from deploy.local.settings import LocalSettings
from deploy.local.stack import Stack, running_stack

TIMES: Final = 20
INTEGRATIONS: Final = 50
REQUESTS: Final = 200
ARGUMENTS: Final = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
_ANSWERED: Final = "performance.getEntriesByType('navigation')[0].responseEnd"
_PAINTED: Final = """new Promise((told) => new PerformanceObserver((seen) => {
    for (const one of seen.getEntriesByName("first-contentful-paint")) told(one.startTime);
}).observe({ type: "paint", buffered: true }))"""
_WHERE: Final = {"param": "body.complaint.priority", "type": "string", "operator": "IN", "value": ["high", "critical"]}


class FirstView(NamedTuple):
    """Bytes are those of all answers as they are sent, with their headers; times are from the click on."""

    requests: int
    size_bytes: int
    answered_ms: float
    painted_ms: float


async def first_view(page: Page, url: str) -> FirstView:
    """Open a page as if nothing of it were in the cache."""
    asked: list[Request] = []

    def note(request: Request) -> None:
        asked.append(request)

    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.on("request", note)
    await page.goto(url)
    page.remove_listener("request", note)
    sizes = [await one.sizes() for one in asked]
    await session.detach()
    size_bytes = sum(one["responseHeadersSize"] + one["responseBodySize"] for one in sizes)
    return FirstView(len(asked), size_bytes, await page.evaluate(_ANSWERED), await page.evaluate(_PAINTED))


def body(number: int) -> dict[str, object]:
    customer = {"firstName": "Jane", "lastName": "Smith", "email": "jane.smith@example.com"}
    complaint = {"id": f"cmp-{number}", "priority": "high", "status": "new", "customer": customer}
    return {"complaint": complaint, "source": "customer_support_portal"}


async def fill(author: httpx.AsyncClient, sender: httpx.AsyncClient) -> dict[str, str]:
    """A workspace that is in use; where its pages are."""
    wanted = {"name": "Customer complaints", "icon": "📮", "auth": {"kind": "none"}}
    made = [await call(author, "POST", "/api/v1/integrations", wanted) for _ in range(INTEGRATIONS)]
    integration = made[-1]
    there, url = f"/api/v1/integrations/{integration['id']}", integration["url"]
    event = {"name": "Urgent", "integrationId": integration["id"], "where": {"all": [_WHERE]}}
    business_event = await call(author, "POST", "/api/v1/business-events", event)
    await call(author, "POST", "/api/v1/api-keys", {"name": "Shop"})
    await call(author, "POST", f"{there}/publish")
    await call(author, "POST", f"{there}/capture")
    while (await call(author, "GET", f"{there}/capture"))["state"] != "received":
        await sender.post(url, json=body(0))
    answers = [await sender.post(url, json=body(number)) for number in range(REQUESTS)]
    last = answers[-1].headers["x-request-id"]
    while (await call(author, "GET", f"{there}/activity?limit=1"))["items"][0]["id"] != last:
        pass
    here = f"/incoming/{integration['id']}"
    return {
        "the list": "/incoming",
        "an integration": here,
        "its sample": f"{here}?open=data",
        "its activity": f"{here}/activity",
        "an explanation": f"{here}/activity/{last}",
        "a Business Event": f"/business-events/{business_event['id']}",
        "the API keys": "/api-keys",
        "the audit log": "/audit-log",
    }


async def measure(stack: Stack, browser: Browser, times: int) -> None:
    async with (
        httpx.AsyncClient(base_url=stack.url("config"), timeout=30) as author,
        httpx.AsyncClient(timeout=30) as sender,
    ):
        who = {"email": stack.admin.email, "password": stack.admin.password}
        author.headers["authorization"] = f"Bearer {(await call(author, 'POST', '/api/v1/session', who))['token']}"
        paths = await fill(author, sender)
    page = await browser.new_page(base_url=stack.url("config"))
    for name, path in {"signing in": "/sign-in", **paths}.items():
        if name == "the list":
            await page.request.post("/api/v1/session", data=who)
        views = [await first_view(page, path) for _ in range(times)]
        painted = [one.painted_ms for one in views]
        print(  # noqa: T201
            f"{name:16} {views[0].requests} requests, {max(one.size_bytes for one in views) / 1000:4.1f} kB, "
            f"answered after {statistics.median(one.answered_ms for one in views):3.0f} ms, "
            f"painted after {statistics.median(painted):3.0f} ms (at most {max(painted):3.0f})"
        )


async def main(times: int) -> None:
    async with async_playwright() as playwright:
        path = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        with tempfile.TemporaryDirectory() as folder:
            async with running_stack(LocalSettings.on_free_ports(Path(folder))) as stack:
                await measure(stack, browser, times)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else TIMES))
