"""What was typed stays, whatever comes between: a session that ends, another tab, an impatient finger."""

import asyncio

import httpx
import pytest
from playwright.async_api import Browser, Page, Request, Route, expect

from deploy.local.stack import Stack
from services.config.rest.requests import SESSION_COOKIE
from tests.e2e.author import Author
from tests.e2e.console.screen import Open, Screen, answered

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def sign_in_again(page: Page, password: str) -> None:
    again = page.get_by_role("dialog", name="Sign in again")
    await expect(again.get_by_label("Password")).to_be_focused()
    await page.keyboard.type(password)
    await page.keyboard.press("Enter")


async def test_who_is_signed_out_while_typing_signs_in_on_the_page_and_what_was_typed_is_saved(
    opened: Open, author: Author, stack: Stack, unique: str
) -> None:
    integration = await author.make_integration(unique)
    async with opened(viewport={"width": 360, "height": 740}) as screen:
        page = screen.page
        await page.goto(f"/incoming/{integration.id}?open=endpoint")
        await page.get_by_label("Name", exact=True).fill(f"{unique} changed")
        await page.context.clear_cookies()
        await page.get_by_role("button", name="Save", exact=True).click()
        await sign_in_again(page, "not the password")
        await expect(page.get_by_role("dialog").get_by_role("alert")).not_to_be_empty()
        assert await screen.barriers() == []
        assert not await screen.is_too_wide()
        await page.get_by_role("button", name="Not now").click()
        await expect(page.get_by_label("Name", exact=True)).to_have_value(f"{unique} changed")
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.get_by_role("dialog").get_by_label("Password").fill("")
        await sign_in_again(page, stack.admin.password)
        await expect(page.locator(".notice")).to_have_text("Saved as a draft.")
        await expect(page.locator("h1")).to_have_text(f"{unique} changed")


async def test_a_step_of_the_builder_goes_on_once_its_author_has_signed_in_again(
    opened: Open, author: Author, stack: Stack, unique: str
) -> None:
    integration = await author.make_integration(unique)
    async with opened() as screen:
        page = screen.page
        await page.goto(f"/business-events/new?integration={integration.id}")
        await page.locator("[name='param:0.0']").fill("body.amount")
        await page.context.clear_cookies()
        await page.get_by_role("button", name="+ Condition").click()
        await sign_in_again(page, stack.admin.password)
        await expect(page.locator("[name='param:0.1']")).to_be_focused()
        await expect(page.locator("[name='param:0.0']")).to_have_value("body.amount")


async def test_who_is_signed_out_during_a_capture_signs_in_on_the_page_and_sees_what_came(
    browser: Browser, author: Author, sender: httpx.AsyncClient, stack: Stack, unique: str
) -> None:
    integration = await author.make_integration(unique)
    async with Screen.opened(browser, stack.url("config")) as screen:
        page = screen.page
        await screen.sign_in(stack.admin.email, stack.admin.password)
        await page.goto(f"/incoming/{integration.id}?open=data")
        await page.get_by_role("button", name="Retrieve data").click()
        await expect(page.locator(".countdown")).to_contain_text("s left")
        await sign_out_elsewhere(page, sender, stack)
        await sign_in_again(page, stack.admin.password)
        await expect(page.locator(".countdown")).to_contain_text("s left")
        await answered(sender, integration.url, 200, {}, b"{}")
        await expect(page.locator("#capture")).to_contain_text("Received")

        await page.get_by_role("button", name="Retrieve data again").click()
        await expect(page.locator(".countdown")).to_contain_text("s left")
        await sign_out_elsewhere(page, sender, stack)
        await page.get_by_role("button", name="Not now").click()
        await expect(page.locator(".countdown")).to_contain_text("load the page again")


async def sign_out_elsewhere(page: Page, sender: httpx.AsyncClient, stack: Stack) -> None:
    """End the session, of which the page knows nothing."""
    [token] = [one.get("value") for one in await page.context.cookies() if one.get("name") == SESSION_COOKIE]
    ended = {"authorization": f"Bearer {token}"}
    (await sender.delete(f"{stack.url('config')}/api/v1/session", headers=ended)).raise_for_status()


async def test_a_session_begun_in_another_tab_takes_nothing_from_this_one(
    opened: Open, author: Author, stack: Stack, unique: str
) -> None:
    integration = await author.make_integration(unique)
    async with opened() as screen:
        page = screen.page
        await page.goto(f"/incoming/{integration.id}?open=endpoint")
        await page.get_by_label("Node icon").fill("📬")
        login = {"email": stack.admin.email, "password": stack.admin.password}
        answer = await page.context.request.post("/api/v1/session", data=login)
        assert answer.ok
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.locator(".notice")).to_have_text("Saved as a draft.")
        await expect(page.locator("h1")).to_contain_text("📬")


async def test_without_a_network_what_was_typed_stays_and_the_page_says_so_where_it_is_seen(
    opened: Open, author: Author, unique: str
) -> None:
    integration = await author.make_integration(unique)
    async with opened(viewport={"width": 360, "height": 740}) as screen:
        page = screen.page
        await page.goto(f"/incoming/{integration.id}?open=endpoint")
        await page.get_by_label("Node icon").fill("📬")
        await page.context.set_offline(True)
        save = page.get_by_role("button", name="Save", exact=True)
        await save.click()
        await expect(page.get_by_role("alert")).to_contain_text("There was no answer")
        await expect(page.get_by_role("alert")).to_be_in_viewport()
        await page.context.set_offline(False)
        screen.faults.clear()  # the browser has told of the network
        await save.click()
        await expect(page.locator(".notice")).to_have_text("Saved as a draft.")
        await expect(page.locator("h1")).to_contain_text("📬")


async def test_a_form_whose_button_is_pressed_again_and_again_is_sent_once(opened: Open, unique: str) -> None:
    async with opened() as screen:
        page, goes_on = screen.page, asyncio.Event()
        sent: list[Request] = []

        async def slowly(route: Route) -> None:
            if route.request.method == "POST":
                sent.append(route.request)
                await goes_on.wait()
            await route.continue_()

        await page.route("**/incoming/new*", slowly)
        await page.goto("/incoming/new?auth=none")
        await page.get_by_label("Name", exact=True).fill(unique)
        apply = page.get_by_role("button", name="Apply")
        await apply.evaluate(
            """async (button) => {
                for (let press = 0; press < 3; press += 1) {
                    button.click();
                    await new Promise((passed) => setTimeout(passed, 200));
                }
            }"""
        )
        goes_on.set()
        await expect(page).to_have_title(f"{unique} · Inlet")
        assert len(sent) == 1
