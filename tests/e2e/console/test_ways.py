"""The console by keyboard alone, and without scripts."""

import json

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from deploy.local.stack import Stack
from tests.e2e.console.screen import Open, Screen, answered
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

RAW = json.dumps({"complaint": {"id": "cmp-1", "priority": "high", "files": [{"fileName": "a.jpg"}]}}).encode()


async def test_from_signing_in_to_a_published_integration_by_keyboard_alone(
    browser: Browser, stack: Stack, unique: str
) -> None:
    async with Screen.opened(browser, stack.url("config")) as screen:
        page, press = screen.page, screen.page.keyboard
        await page.goto("/sign-in")
        await press.type(stack.admin.email)  # the first field has the focus
        await press.press("Tab")
        await press.type(stack.admin.password)
        await press.press("Enter")
        await page.wait_for_url("**/incoming")
        await go_to(page, "a[href='/incoming/new']")
        await press.press("Enter")
        await go_to(page, "a[href='/incoming/new?auth=none']")
        await press.press("Enter")
        await go_to(page, "#name")
        await press.type(unique)
        await press.press("Enter")
        await expect(page).to_have_title(f"{unique} · Inlet")
        await go_to(page, "#retrieve")
        await press.press("Enter")
        await expect(page.locator(".countdown")).to_contain_text("s left")
        await go_to(page, "button[formaction$=cancel-capture]")
        await press.press("Enter")
        await expect(page.locator(".countdown")).to_have_count(0)
        await go_to(page, "#deduplication > summary")
        await press.press("Enter")
        await go_to(page, "#hash-header")
        await press.press("Space")
        await go_to(page, "button[formaction$=publish]")
        await press.press("Enter")
        await expect(page.locator(".badges")).to_contain_text("Published v1")
        await expect(page.locator("#deduplication > summary")).to_contain_text("headers.x-deduplication-hash")


async def go_to(page: Page, target: str) -> None:
    """Press Tab until something has the focus; wherever it is on the way, it can be seen."""
    await page.wait_for_load_state()
    await expect(page.locator(target)).to_be_visible()
    for _ in range(80):
        await page.keyboard.press("Tab")
        where = await page.evaluate(
            "(target) => [document.activeElement.matches(target), document.activeElement === document.body"
            " || getComputedStyle(document.activeElement).outlineStyle !== 'none']",
            target,
        )
        assert where[1], "the focus cannot be seen"
        if where[0]:
            return
    raise AssertionError(f"{target} cannot be reached")


async def test_without_scripts_an_integration_is_made_and_sampled(
    opened: Open, sender: httpx.AsyncClient, unique: str
) -> None:
    async with opened(java_script_enabled=False) as screen:
        page = screen.page
        await page.goto("/incoming/new?auth=none")
        await page.get_by_label("Name").fill(unique)
        await page.get_by_role("button", name="Apply").click()
        url = await page.locator("#url").inner_text()
        await page.get_by_role("button", name="Retrieve data").click()
        await answered(sender, url, 200, {}, RAW)

        async def is_shown() -> bool:
            await page.get_by_role("link", name="Look again").click()
            return await page.get_by_text("body.complaint.priority").count() > 0

        await eventually(is_shown)
        await page.get_by_role("button", name="Save & publish").click()
        await expect(page.locator(".badges")).to_contain_text("Published v1")
        await page.get_by_role("link", name="Business Events").nth(1).click()
        await page.get_by_role("link", name="New Business Event").first.click()
        await page.locator("[name='param:0.0']").fill("body.complaint.files")
        await page.locator("[name='operator:0.0']").select_option("has as many elements as")
        await page.get_by_role("button", name="Show the fields of the chosen operators").click()
        await page.locator("[name='value:0.0']").fill("1")
        await page.get_by_role("button", name="Test").click()
        await expect(page.locator(".verdict.large")).to_contain_text("✓ This request triggers it.")
        await page.get_by_label("Name").fill("One file")
        await page.get_by_role("button", name="Create").click()
        await expect(page.locator("h1")).to_have_text("One file")
