"""The console in a browser, over the whole product: what people see while requests come in."""

import hashlib
import hmac
import json
from collections.abc import Callable

import httpx
import pytest
from playwright.async_api import Page, expect

from deploy.local.stack import Stack
from tests.e2e.author import Author
from tests.e2e.console.screen import Open, answered
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"content-type": "application/json"}
BODY = {"complaint": {"id": "cmp-1", "priority": "high", "files": [{"fileName": "a.jpg", "size": 7}]}}
RAW = json.dumps(BODY).encode()
APP_SECRET, VERIFY_TOKEN = "app secret of the console", "verify token of the console"

Credentials = Callable[[bytes], dict[str, str]]


async def open_section(page: Page, name: str) -> None:
    await page.locator("summary", has_text=name).click()


async def authenticate(page: Page, sender: httpx.AsyncClient, stack: Stack, kind: str, unique: str) -> Credentials:
    """Fill in what the kind needs, making an API key in the console first; and what senders then add to a request."""
    if kind == "jwt":
        await page.goto("/api-keys")
        await page.locator("summary", has_text="New API key").click()
        await page.get_by_label("Name").fill(unique)
        await page.get_by_role("button", name="Create").click()
        secret = await page.locator("#secret").inner_text()
        answer = await sender.post(f"{stack.url('config')}/uauth/v2/auth/login/profile", json={"apiKey": secret})
        token = answer.json()["token"]
        await page.goto("/incoming/new?auth=jwt")
        [key] = [
            text for text in await page.get_by_label("API key").locator("option").all_inner_texts() if unique in text
        ]
        await page.get_by_label("API key").select_option(label=key)
        return lambda _: {"authorization": f"Bearer {token}"}
    await page.goto("/incoming")
    await page.get_by_role("link", name="New integration").click()
    name = {"none": "Without authentication", "meta": "Webhook from Meta"}[kind]
    await page.get_by_role("link", name=name).click()
    if kind == "none":
        return lambda _: {}
    await page.get_by_label("App secret").fill(APP_SECRET)
    await page.get_by_label("Verify token").fill(VERIFY_TOKEN)
    return lambda raw: {
        "x-hub-signature-256": "sha256=" + hmac.new(APP_SECRET.encode(), raw, hashlib.sha256).hexdigest()
    }


@pytest.mark.parametrize("kind", ["jwt", "none", "meta"])
async def test_an_integration_is_made_while_its_first_requests_come_in(
    opened: Open, sender: httpx.AsyncClient, stack: Stack, unique: str, kind: str
) -> None:
    async with opened() as screen:
        page = screen.page
        credentials = await authenticate(page, sender, stack, kind, unique)
        await page.get_by_label("Name", exact=True).fill(f"{unique} {kind}")
        await page.get_by_label("Node icon").fill("📮")
        await page.get_by_role("button", name="Apply").click()
        await expect(page).to_have_title(f"{unique} {kind} · Inlet")
        url = await page.locator("#url").inner_text()
        if kind == "meta":
            await handshake(sender, url)

        await page.get_by_role("button", name="Retrieve data").click()
        await expect(page.locator(".countdown")).to_have_text("90 s left")
        await expect(page.locator(".countdown")).not_to_have_text("90 s left")
        await page.evaluate("window.isStillHere = true")
        broken = b'{"broken": '
        await answered(sender, url, 400, credentials(broken), broken)
        await expect(page.get_by_role("region", name="Refused requests")).to_contain_text("400")
        await expect(page.locator(".countdown")).to_contain_text("s left")
        assert (await sender.post(url, content=RAW, headers=JSON | credentials(RAW) | {"x-form-id": "7"})).text == "OK"
        parameters = page.get_by_role("region", name="Parameters of the sample")
        await expect(parameters.get_by_role("row", name="body.complaint.files.0.size number 7")).to_be_visible()
        await expect(parameters).to_contain_text("headers.x-form-id")
        await expect(page.locator("#said")).to_contain_text("Received")
        await page.get_by_text("Raw JSON").click()
        await expect(page.locator("#capture pre")).to_contain_text('"fileName": "a.jpg"')
        assert await page.evaluate("window.isStillHere")
        await page.locator("#capture").get_by_role("button", name="Apply").click()
        await expect(page.locator(".notice")).to_have_text("Applied to the draft.")

        await open_section(page, "Deduplication hash generator")
        await page.get_by_label("body.complaint.id").check()
        await expect(page.locator(".count")).to_have_text("(1 of 5)")
        await page.get_by_role("button", name="Save & publish").click()
        await expect(page.locator(".notice")).to_contain_text("Saved and published.")
        await expect(page.locator(".badges")).to_contain_text("Published v1")

        await answered(sender, url, 200, credentials(RAW), RAW)
        again = await sender.post(url, content=RAW, headers=JSON | credentials(RAW))
        assert (again.status_code, again.text) == ((200, "OK") if kind == "meta" else (204, ""))


async def handshake(sender: httpx.AsyncClient, url: str) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}

    async def is_verified() -> bool:
        return (await sender.get(url, params=query)).text == "1158201444"

    await eventually(is_verified)


async def test_conditions_are_built_and_tested_on_the_sample(
    opened: Open, author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    integration = await author.make_integration(unique)
    (await author.http.post(f"/integrations/{integration.id}/capture")).raise_for_status()
    await answered(sender, integration.url, 200, {}, RAW)
    async with opened() as screen:
        page = screen.page
        await page.goto("/business-events/new")
        await page.get_by_label("Search by name or id").fill(unique)
        await page.get_by_role("button", name="Search").click()
        await page.get_by_role("link", name=unique).click()
        await expect(page.locator("#parameters option[value='body.complaint.files.*.size']")).to_have_count(1)
        await page.get_by_label("Name").fill("Large pictures")

        row = page.get_by_role("group", name="Condition", exact=True).nth(0)
        await row.get_by_label("Parameter").fill("body.complaint.priority")
        await row.get_by_label("Operator").select_option("is one of")
        await row.get_by_label("Values, one on each line").fill("high\ncritical")
        await page.get_by_role("button", name="+ Group").click()
        await expect(page.locator(":focus")).to_have_attribute("name", "param:0.1.0")
        await page.keyboard.type("body.complaint.id")
        await page.locator("[name='operator:0.1.0']").select_option("starts with")
        await page.locator("[name='value:0.1.0']").fill("xyz")
        await page.locator("#add-element\\:0").click()
        await expect(page.locator(":focus")).to_have_attribute("name", "param:0.2")
        await page.keyboard.type("body.complaint.files")
        await page.locator("[name='param:0.2.0.0']").fill("size")
        await page.locator("[name='operator:0.2.0.0']").select_option("≥")
        await page.locator("[name='value:0.2.0.0']").fill("7")
        await page.get_by_role("button", name="Test").click()
        await expect(page.locator(".verdict.large")).to_contain_text("does not trigger")
        await expect(page.locator("#said")).to_contain_text("does not trigger")
        assert await page.locator(".verdict.yes").count() == 3
        await expect(page.locator(".verdict.no:not(.large)")).to_have_text('✗ does not hold: "cmp-1"')
        await page.locator("[name='kind:0.1']").select_option("None of these holds")
        await page.get_by_role("button", name="Test").click()
        await expect(page.locator(".verdict.large")).to_contain_text("✓ This request triggers it.")
        await page.get_by_role("button", name="Remove the group").click()
        await expect(page.locator(":focus")).to_have_attribute("id", "add-condition:0")
        await page.get_by_role("button", name="Create").click()
        await expect(page.locator(".notice")).to_have_text("Created.")
    [stored] = (await author.http.get("/business-events", params={"integrationId": integration.id})).json()["items"]
    assert stored["where"] == {
        "all": [
            {
                "param": "body.complaint.priority", "type": "string", "operator": "IN", "value": ["high", "critical"]
            },
            {
                "some": "body.complaint.files",
                "where": {"all": [{"param": "size", "type": "number", "operator": "MORE_OR_EQUAL", "value": 7}]},
            },
        ]
    }  # fmt: skip


async def test_what_was_typed_while_a_page_was_on_its_way_is_not_lost(
    opened: Open, author: Author, unique: str
) -> None:
    integration = await author.make_integration(unique)
    async with opened() as screen:
        page = screen.page
        await page.goto(f"/business-events/new?integration={integration.id}")
        async with page.expect_response("**/business-events/new"):
            await page.evaluate(
                """() => {
                    const operator = document.querySelector("[data-refresh]");
                    operator.value = "number.MORE";
                    operator.dispatchEvent(new Event("change", { bubbles: true }));
                    document.querySelector("[name='value:0.0']").value = "typed after";
                }"""
            )
        await expect(page.locator("[name='value:0.0']")).to_have_attribute("placeholder", "Number")
        await expect(page.locator("[name='value:0.0']")).to_have_value("typed after")
