"""Where things stand on a page: beside each other where there is room, and in the order in which they are written."""

import json

import httpx
import pytest
from playwright.async_api import Locator, expect

from tests.e2e.author import Author
from tests.e2e.console.screen import Open, answered
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

OVERRIDE = "\u202e"


async def widths(*parts: Locator) -> list[float]:
    boxes = [await part.bounding_box() for part in parts]
    return [box["width"] for box in boxes if box is not None]


async def is_before(one: Locator, other: Locator) -> bool:
    """Whether all of it is on the left of the other."""
    first, second = await one.bounding_box(), await other.bounding_box()
    return first is not None and second is not None and first["x"] + first["width"] <= second["x"]


@pytest.mark.parametrize("width", [1280, 1440])
async def test_a_long_detail_leaves_the_link_beside_it_on_one_line(
    opened: Open, author: Author, sender: httpx.AsyncClient, unique: str, width: int
) -> None:
    endpoint = await author.make_endpoint(unique, deduplicate_on=["body.id", "headers.x-form-id"])
    raw = json.dumps({"id": "long words, " * 15 + "x"}).encode()
    for status in (200, 204):
        await answered(sender, endpoint.url, status, {"x-form-id": "long words, " * 15 + "x"}, raw)
    async with opened(viewport={"width": width, "height": 900}) as screen:
        page = screen.page
        row = page.locator("tbody tr", has_text="Duplicate")

        async def is_there() -> bool:
            await page.goto(f"/incoming/{endpoint.integration.id}/activity")
            return await row.count() > 0

        await eventually(is_there)
        link = row.get_by_role("link", name="Explain")
        assert await link.evaluate("(one) => one.getClientRects().length") == 1


async def test_a_difference_that_is_opened_has_the_room_of_the_column(
    opened: Open, author: Author, unique: str
) -> None:
    integration = await author.make_integration(unique)
    (await author.http.patch(f"/integrations/{integration.id}", json={"name": "Changed"})).raise_for_status()
    async with opened(viewport={"width": 1440, "height": 900}) as screen:
        await screen.page.goto(f"/audit-log?subject={integration.id}")
        await screen.page.locator("summary").first.click()
        table, opened_one = await widths(screen.page.locator("table"), screen.page.locator(".changes").first)
        assert opened_one > table / 3


async def test_a_text_that_turns_its_direction_turns_nothing_but_itself(
    opened: Open, author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    integration = await author.make_integration(unique)
    (await author.http.post(f"/integrations/{integration.id}/capture")).raise_for_status()
    await answered(sender, integration.url, 200, {}, json.dumps({f"{OVERRIDE}key": "value"}).encode())
    async with opened() as screen:
        page = screen.page
        await page.goto(f"/incoming/{integration.id}?open=deduplication")
        choice = page.locator("#choices label", has_text="key")
        assert await is_before(choice.locator("code"), choice.locator(".hint"))


async def test_on_a_phone_the_navigation_takes_two_rows_and_shows_where_one_is(opened: Open) -> None:
    async with opened(viewport={"width": 360, "height": 740}) as screen:
        page = screen.page
        await page.goto("/workspace")
        side = await page.locator(".side").bounding_box()
        assert side is not None
        assert side["height"] < 100
        here = page.get_by_role("navigation", name="Main").get_by_role("link", name="Workspace")
        await expect(here).to_be_in_viewport(ratio=1)
        assert not await screen.is_too_wide()
