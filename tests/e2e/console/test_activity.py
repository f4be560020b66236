"""The activity of an integration in a browser: what became of each request, and why."""

import hashlib
import hmac
import json

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.e2e.author import Author
from tests.e2e.console.screen import Open, answered
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHERE: dict[str, object] = {
    "all": [
        {"param": "body.complaint.priority", "type": "string", "operator": "EQUAL", "value": "high"},
        {"param": "body.amount", "type": "number", "operator": "MORE", "value": 100},
    ]
}


def complaint(name: str, priority: str) -> bytes:
    text = "<script>window.isHacked = true</script>"
    return json.dumps({"complaint": {"id": name, "priority": priority}, "amount": 150, "text": text}).encode()


async def activity(page: Page, integration_id: str) -> None:
    """Open the page, again until it has a request with each outcome."""

    async def is_there() -> bool:
        await page.goto(f"/incoming/{integration_id}/activity")
        shown = await page.locator("tbody .badge").all_inner_texts()
        return {"Triggered", "Accepted", "Duplicate", "Rejected"} <= set(shown)

    await eventually(is_there, said="an outcome is missing")


async def explain(page: Page, outcome: str) -> None:
    """From the activity to the explanation of the latest request with this outcome."""
    await page.locator("tbody tr", has_text=outcome).first.get_by_role("link", name="Explain").click()
    await expect(page.locator(".badges")).to_contain_text(outcome)


async def test_every_request_is_there_with_its_outcome_and_each_is_explained(
    opened: Open, author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    endpoint = await author.make_endpoint(unique, where=WHERE, deduplicate_on=["body.complaint.id"])
    integration_id = endpoint.integration.id
    high, low = complaint(f"{unique}-1", "high"), complaint(f"{unique}-2", "low")
    for raw, status in ((high, 200), (low, 200), (high, 204), (b"{", 400)):
        await answered(sender, endpoint.url, status, {}, raw)
    async with opened(viewport={"width": 1440, "height": 900}) as screen:
        page = screen.page

        await activity(page, integration_id)
        await expect(page.locator(".legend")).to_contain_text("2 accepted")
        await expect(page.locator(".legend .duplicates")).to_have_text("1 duplicate")
        await expect(page.locator("tbody tr", has_text="Triggered")).to_contain_text("b")
        await expect(page.locator("tbody tr", has_text="Accepted")).to_contain_text("No Business Event matched.")
        await expect(page.locator("tbody tr", has_text="Duplicate")).to_contain_text(f'"{unique}-1"')
        await expect(page.locator("tbody tr", has_text="400:")).to_contain_text("The body is not a JSON object")
        assert await screen.barriers() == []

        await explain(page, "Triggered")
        event_id = page.url.rpartition("/")[2]
        rows = page.get_by_role("region", name="Conditions of b").locator("tbody tr")
        await expect(rows.first).to_have_text("All of these hold:")
        conditions = rows.filter(has=page.locator(".verdict"))
        for number, (condition, actual) in enumerate([('priority is "high"', '"high"'), ("amount > 100", "150")]):
            for text in (condition, actual, "✓ holds"):
                await expect(conditions.nth(number)).to_contain_text(text)
        await expect(page.get_by_role("region", name="Deduplication inputs")).to_contain_text(f'"{unique}-1"')
        await expect(page.get_by_role("region", name="Parameters")).to_contain_text("body.text")
        assert await page.evaluate("window.isHacked === undefined")
        assert await screen.barriers() == []

        await activity(page, integration_id)
        await explain(page, "Accepted")
        await expect(conditions.first).to_contain_text('"low"')
        await expect(conditions.first).to_contain_text("✗ different value")
        await expect(page.locator("main")).to_contain_text("✗ does not match")

        await activity(page, integration_id)
        await explain(page, "Duplicate")
        await expect(page.get_by_role("region", name="Deduplication inputs")).to_contain_text(f'"{unique}-1"')
        await page.emulate_media(color_scheme="dark")
        assert await screen.barriers(only="color-contrast") == []
        await page.set_viewport_size({"width": 360, "height": 740})
        assert not await screen.is_too_wide()
        await page.get_by_role("link", name="an earlier event").click()
        await page.wait_for_url(f"**/{event_id}")
        assert not await screen.is_too_wide()

        await activity(page, integration_id)
        assert not await screen.is_too_wide()
        assert await screen.cut_tables() == []
        await page.get_by_label("Another event, by its id").fill(f" {event_id} ")
        await page.get_by_role("button", name="Explain").click()
        await page.wait_for_url(f"**/activity/{event_id}")
        await expect(page.locator(".badges")).to_contain_text("Triggered")
        await page.goto("/incoming?q=" + unique)
        await expect(page.locator("tbody .number").nth(1)).to_have_text("1")


async def test_the_parts_of_a_request_are_listed_with_what_became_of_each(
    opened: Open, author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    auth: dict[str, object] = {"kind": "meta", "appSecret": unique, "verifyToken": unique, "splitBatches": True}
    integration = await author.post("/integrations", {"name": unique, "auth": auth})
    field: dict[str, object] = {"param": "body.entry.0.changes.0.field", "type": "string", "operator": "EQUAL"}
    await author.make_business_event(integration, field | {"value": "feed"})
    await author.post(f"/integrations/{integration.id}/publish")
    raw = json.dumps({"entry": [{"changes": [{"field": "feed"}, {"field": "leadgen"}]}]}).encode()
    signature = "sha256=" + hmac.new(unique.encode(), raw, hashlib.sha256).hexdigest()
    await answered(sender, integration.url, 200, {"x-hub-signature-256": signature}, raw)
    async with opened(viewport={"width": 360, "height": 740}) as screen:
        page = screen.page

        async def are_there() -> bool:
            await page.goto(f"/incoming/{integration.id}/activity")
            return await page.get_by_role("link", name="part of a request").count() == 2

        await eventually(are_there)
        await page.get_by_role("link", name="part of a request").first.click()
        parts = page.get_by_role("region", name="Parts").locator("tbody tr")
        await expect(parts).to_have_count(2)
        for number, (outcome, detail) in enumerate([("Triggered", "b"), ("Accepted", "No Business Event matched.")]):
            for text in (outcome, detail):
                await expect(parts.nth(number)).to_contain_text(text)
            await expect(parts.nth(number).locator("time")).to_be_visible()
        assert await screen.barriers() == []
        assert not await screen.is_too_wide()
