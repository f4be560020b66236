"""Every page of the console in a browser: for everybody, on every screen, whatever is on it."""

import asyncio
import json
from collections.abc import Mapping

import httpx
import msgspec
import pytest
from playwright.async_api import Dialog, expect

from bench.first_view import first_view
from deploy.local.stack import Stack
from libs.messages import IntegrationRef, Source, ascii_json
from tests.e2e.author import Author
from tests.e2e.console.screen import PAGE_LIMIT_BYTES, Open, answered
from tests.integration.dead_letters.operators import bury, letter
from tests.integration.pipeline import Sent

pytestmark = pytest.mark.asyncio(loop_scope="module")

RAW = json.dumps({"complaint": {"id": "cmp-1", "priority": "high", "files": [{"fileName": "a.jpg"}]}}).encode()
LARGE = msgspec.json.encode({f"parameter-{number:05}": {"text": "x" * 50, "n": number} for number in range(24_000)})
SCRIPT = "<script>window.isHacked = true</script><img src=x onerror='window.isHacked = true'>"
WHERE = {
    "all": [
        {"param": "body.complaint.priority", "type": "string", "operator": "IN", "value": ["high", "critical"]},
        {"any": [{"param": "body.amount", "type": "number", "operator": "BETWEEN", "value": [1, 2]}]},
        {
            "some": "body.complaint.files",
            "where": {"all": [{"param": "fileName", "type": "string", "operator": "ENDS_WITH", "value": ".jpg"}]},
        },
    ]
}


async def made(author: Author, path: str, body: dict[str, object]) -> str:
    answer = await author.http.post(path, json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


async def sampled(author: Author, sender: httpx.AsyncClient, name: str, raw: bytes = RAW) -> str:
    """An integration with a sample."""
    integration = await author.make_integration(name, deduplicate_on=["body.complaint.id", "headers.x-form-id"])
    (await author.http.post(f"/integrations/{integration.id}/capture")).raise_for_status()
    await answered(sender, integration.url, 200, {"x-form-id": "7"}, raw)
    return integration.id


async def dead_letter(author: Author, kafka: str, integration: str) -> str:
    """Where one is, of a request that is full of long words."""
    workspace = (await author.http.get("/me")).json()["workspace"]["id"]
    source = Source(workspace=workspace, integration=IntegrationRef(id=integration, name="long" * 40, version=1))
    headers = [("inlet-source", ascii_json(source)), ("inlet-headers", b"long" * 100)]
    await bury(kafka, [letter(Sent(key=b"k", value=b"long" * 100, headers=headers, partition=0), "long-" * 20)])
    found = await author.http.get("/dead-letters", params={"integrationId": integration})
    return f"/dead-letters/{found.json()['items'][0]['id']}"


async def pages(author: Author, sender: httpx.AsyncClient, kafka: str, unique: str) -> Mapping[str, str]:
    """Where each page is, with something on it."""
    key = await made(author, "/api-keys", {"name": unique, "allowedIps": ["203.0.113.0/24"]})
    user = await made(author, "/users", {"email": f"{unique}@example.com", "role": "author"})
    secrets = {"kind": "meta", "appSecret": "a secret", "verifyToken": "a token", "splitBatches": True}
    meta = await made(author, "/integrations", {"name": f"{unique} {'long' * 40}", "icon": "💬", "auth": secrets})
    (await author.http.post(f"/integrations/{meta}/publish")).raise_for_status()
    (await author.http.patch(f"/integrations/{meta}", json={"name": "long" * 50})).raise_for_status()
    integration = await sampled(author, sender, unique)
    event = await made(author, "/business-events", {"name": unique, "integrationId": integration, "where": WHERE})
    letter_ = await dead_letter(author, kafka, integration)
    return {
        "the list": "/incoming",
        "nothing found": "/incoming?q=nothing+has+this+name",
        "the choice of an authentication": "/incoming/new",
        "a new integration with tokens": "/incoming/new?auth=jwt",
        "a new integration of Meta": "/incoming/new?auth=meta",
        "an integration": f"/incoming/{integration}",
        "its sample": f"/incoming/{integration}?open=data",
        "its deduplication": f"/incoming/{integration}?open=deduplication",
        "an integration of Meta": f"/incoming/{meta}?open=endpoint",
        "to unpublish it": f"/incoming/{meta}/unpublish",
        "to discard its draft": f"/incoming/{meta}/discard-draft",
        "the activity of an integration": f"/incoming/{integration}/activity",
        "the deletion of an integration": f"/incoming/{integration}/delete",
        "the Business Events": "/business-events",
        "the Business Events of one integration": f"/business-events?integration={integration}",
        "the choice of an integration": "/business-events/new",
        "a new Business Event": f"/business-events/new?integration={integration}",
        "a Business Event": f"/business-events/{event}",
        "the deletion of a Business Event": f"/business-events/{event}/delete",
        "the API keys": "/api-keys",
        "an API key": f"/api-keys/{key}",
        "the users": "/users",
        "a user": f"/users/{user}",
        "the audit log": "/audit-log",
        "the dead letters": "/dead-letters",
        "no dead letters": f"/dead-letters?integrationId={integration}&since=2026-01-31T10:30",
        "a dead letter": letter_,
        "what was sent": f"{letter_}?body=on",
        "a replay": f"/dead-letters/replay?integrationId={integration}",
        "a discard": f"/dead-letters/discard?integrationId={integration}&until=2026-01-31T10:30",
        "the workspace": "/workspace",
        "the account": "/account",
        "the way in": "/sign-in",
        "nothing": "/nowhere",
    }


async def test_every_page_is_for_everybody_on_every_screen(
    opened: Open, author: Author, sender: httpx.AsyncClient, stack: Stack, unique: str
) -> None:
    """In light and in dark, wide and narrow, with every section open; a fault names its page."""
    found: dict[str, list[str]] = {}
    async with opened(color_scheme="light", viewport={"width": 1440, "height": 900}) as screen:
        page = screen.page
        for name, path in (await pages(author, sender, stack.kafka.address, unique)).items():
            await page.set_viewport_size({"width": 1440, "height": 900})
            await page.emulate_media(color_scheme="light")
            await page.goto(path)
            await expect(page.locator("h1")).to_have_count(1)
            await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            faults = await screen.barriers()
            await page.emulate_media(color_scheme="dark")
            faults += [f"dark: {one}" for one in await screen.barriers(only="color-contrast")]
            faults += ["too wide for 1440 px"] if await screen.is_too_wide() else []
            await page.set_viewport_size({"width": 360, "height": 740})
            faults += ["too wide for 360 px"] if await screen.is_too_wide() else []
            faults += [f"out of sight in {name}" for name in await screen.cut_tables()]
            if faults:
                found[name] = faults
    assert found == {}


async def test_a_first_view_takes_four_requests_and_less_than_100_kb_as_they_are_sent(
    opened: Open, author: Author, sender: httpx.AsyncClient, stack: Stack, unique: str
) -> None:
    """With nothing in the browser's cache, and whatever is on the page."""
    found: dict[str, tuple[int, int]] = {}
    async with opened() as screen:
        large = await sampled(author, sender, f"{unique} large", LARGE)
        paths = {
            **await pages(author, sender, stack.kafka.address, unique),
            "a large sample": f"/incoming/{large}?open=data",
            "a Business Event for a large sample": f"/business-events/new?integration={large}",
        }
        for name, path in paths.items():
            view = await first_view(screen.page, path)
            if view.requests > 4 or view.size_bytes > PAGE_LIMIT_BYTES:
                found[name] = view.requests, view.size_bytes
    assert found == {}


async def test_a_tested_business_event_and_a_form_with_mistakes_are_for_everybody_too(
    opened: Open, author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    integration = await sampled(author, sender, unique)
    event = await made(author, "/business-events", {"name": unique, "integrationId": integration, "where": WHERE})
    async with opened(viewport={"width": 360, "height": 740}) as screen:
        page = screen.page
        await page.goto(f"/business-events/{event}")
        await page.get_by_role("button", name="Test").click()
        await expect(page.locator(".verdict.large")).to_be_visible()
        assert await screen.barriers() == []
        assert not await screen.is_too_wide()
        await page.locator("[name='param:0.0']").fill("nowhere")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.locator("[name='param:0.0']")).to_be_focused()
        await expect(page.get_by_role("alert")).to_contain_text("Correct what is marked in the conditions.")
        assert await screen.barriers() == []
        await page.emulate_media(color_scheme="dark")
        assert await screen.barriers(only="color-contrast") == []
        assert not await screen.is_too_wide()
        page.on("dialog", Dialog.accept)  # what was typed is not saved
        await page.goto("/incoming/new?auth=meta")
        await page.get_by_label("Name", exact=True).fill(unique)
        await page.get_by_role("button", name="Apply").click()
        await expect(page.get_by_label("App secret")).to_be_focused()
        assert await screen.barriers() == []


async def test_a_sample_of_three_mebibytes_arrives_as_fast_as_a_small_one(
    opened: Open, author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    """And no answer is larger than any other page; the tab looks at that when it is closed."""
    integration = await author.make_integration(unique)
    async with opened() as screen:
        page = screen.page
        await page.goto(f"/incoming/{integration.id}?open=data")
        await page.get_by_role("button", name="Retrieve data").click()
        await expect(page.locator(".countdown")).to_contain_text("s left")
        await answered(sender, integration.url, 200, {}, LARGE)
        await expect(page.get_by_role("region", name="Parameters of the sample")).to_be_visible()
        await expect(page.locator("#capture")).to_contain_text("of them. All: the sample as JSON.")
        await page.goto(f"/business-events/new?integration={integration.id}")
        await page.locator("[name='param:0.0']").fill("body.parameter-23999.text")
        await page.locator("[name='value:0.0']").fill("x" * 50)
        await page.get_by_role("button", name="Test").click()
        await expect(page.locator(".verdict.large")).to_contain_text("✓ This request triggers it.")
        assert len([url for url in screen.asked if "/stream" in url]) == 1


async def test_a_script_that_somebody_sends_is_shown_and_never_run(
    opened: Open, author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    raw = json.dumps({SCRIPT: SCRIPT, "files": [{"fileName": f"{SCRIPT}.jpg"}]}).encode()
    integration = await author.make_integration(f"{unique} {SCRIPT}")
    (await author.http.patch(f"/integrations/{integration.id}", json={"icon": SCRIPT})).raise_for_status()
    async with opened() as screen:
        page = screen.page
        await page.goto(f"/incoming/{integration.id}?open=data")
        await page.get_by_role("button", name="Retrieve data").click()
        await answered(sender, integration.url, 200, {"x-form-id": SCRIPT}, raw)
        await expect(page.get_by_role("region", name="Parameters of the sample")).to_contain_text("headers.x-form-id")
        await expect(page.locator("#capture")).to_contain_text(f"body.{SCRIPT.replace('.', chr(92) + '.')}")
        for path in (
            "/incoming",
            f"/business-events/new?integration={integration.id}",
            f"/incoming/{integration.id}/delete",
        ):
            await page.goto(path)
            await expect(page.locator("main")).to_contain_text(SCRIPT[:20])
            assert await page.evaluate("window.isHacked === undefined")


async def test_times_are_in_the_zone_of_the_reader_with_the_exact_value_in_the_title(
    opened: Open, author: Author, unique: str
) -> None:
    integration = await author.make_integration(unique)
    exact = (await author.http.get(f"/integrations/{integration.id}")).json()["createdAt"]
    async with opened() as screen:
        page = screen.page
        await page.goto(f"/incoming/{integration.id}")
        time = page.locator("time").first
        assert (await time.get_attribute("title") or "")[:19] == exact[:19]
        shown = await page.evaluate(
            """(exact) => new Date(exact).toLocaleString(
                "en-GB", { timeZone: "Asia/Kolkata", dateStyle: "medium", timeStyle: "medium" })""",
            exact,
        )
        await expect(time).to_have_text(shown)
        await expect(page.locator("footer")).to_have_text("Times in Asia/Calcutta")


async def test_copying_says_that_it_is_done(opened: Open, author: Author, unique: str) -> None:
    integration = await author.make_integration(unique)
    async with opened(permissions=["clipboard-read", "clipboard-write"]) as screen:
        page = screen.page
        await page.goto(f"/incoming/{integration.id}")
        await page.get_by_role("button", name="Copy the URL").click()
        await expect(page.get_by_role("status").first).to_have_text("Copied")
        await expect(page.locator("[data-copy=url]")).to_have_text("Copied")
        assert await page.evaluate("navigator.clipboard.readText()") == integration.url


async def test_who_leaves_with_something_unsaved_is_asked_and_who_saves_is_not(
    opened: Open, author: Author, unique: str
) -> None:
    integration = await author.make_integration(unique)
    async with opened() as screen:
        page, asked = screen.page, asyncio.Queue[str]()

        async def stay(dialog: Dialog) -> None:
            await dialog.dismiss()
            asked.put_nowait(dialog.type)

        page.on("dialog", stay)
        await page.goto(f"/incoming/{integration.id}?open=endpoint")
        await page.get_by_label("Name", exact=True).fill(f"{unique} changed")
        await page.get_by_role("link", name="Business Events").first.click()
        assert await asyncio.wait_for(asked.get(), 10) == "beforeunload"
        await expect(page.get_by_label("Name", exact=True)).to_have_value(f"{unique} changed")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.locator(".notice")).to_have_text("Saved as a draft.")
        await expect(page).to_have_url(f"/incoming/{integration.id}")
        await page.get_by_role("link", name="Business Events").first.click()
        await expect(page.locator("h1")).to_have_text("Business Events")
        assert asked.empty()


async def test_a_mistake_in_a_closed_section_opens_it(opened: Open, author: Author, unique: str) -> None:
    integration = await author.make_integration(unique)
    async with opened() as screen:
        page = screen.page
        await page.goto(f"/incoming/{integration.id}?open=endpoint")
        await page.get_by_label("Name", exact=True).fill("")
        await page.locator("#endpoint > summary").click()
        await expect(page.get_by_label("Name", exact=True)).not_to_be_visible()
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_label("Name", exact=True)).to_be_visible()
        await page.get_by_label("Name", exact=True).fill(unique)
