"""Settings: dead letters, seen, replayed and discarded."""

from pathlib import Path

from tests.integration.config.console.browser import Browser, browser
from tests.integration.config.control_plane import EMAIL
from tests.integration.config.test_dead_letters import Office, office
from tests.integration.config.test_workspaces import become_a_neighbour
from tests.integration.dead_letters.operators import bury, letter
from tests.integration.pipeline import Sent

__all__ = ["office"]


async def test_an_administrator_filters_looks_into_one_and_replays_and_discards(office: Office) -> None:
    originals = await office.bury(3)
    await office.bury(2, "unexpected-error")
    async with browser(office.plane) as guest:
        admin = await guest.sign_in()
        await admin.open("/dead-letters")
        assert "too-large 3" in admin.page.text
        await admin.press("Show", {"Cause": "too-large"})
        place = next(link for link in admin.page.links if link.startswith("/dead-letters/0-"))
        await look_into(admin, place)

        await admin.open("/dead-letters/replay?cause=too-large")
        assert "Replay 3 dead letters?" in admin.page.text
        assert await office.times_on_requests(originals) == [0, 0, 0]
        await admin.press("Replay")
        assert admin.path == "/dead-letters"
        assert "Replayed." in admin.page.text
        assert await office.times_on_requests(originals) == [1, 1, 1]
        assert "too-large 3" not in admin.page.text

        await admin.open("/dead-letters/discard")
        await office.bury(1)
        await admin.press("Discard", status=409)
        assert "There are 3 of them now, not 2" in admin.page.text
        await admin.press("Discard")
        assert "There is none" in admin.page.text
        await admin.open("/audit-log?kind=dead-letters")
        assert "Dead letters all discarded" in admin.page.text
        assert "Dead letters too-large replayed" in admin.page.text
        await admin.open(place)
        assert admin.page.offers() == {"Sign out"}


async def look_into(admin: Browser, place: str) -> None:
    await admin.open(place)
    assert "inlet-cause too-large" in admin.page.text
    assert "C-1" not in admin.page.text
    await admin.open(f"{place}?body=on")
    assert '{"complaint":{"id":"C-1"}}' in admin.page.text


async def test_what_is_wrong_with_a_filter_is_said_beside_it(office: Office) -> None:
    async with browser(office.plane) as guest:
        admin = await guest.sign_in()
        await admin.open("/dead-letters")
        await admin.press("Show", {"Cause": "x" * 101, "Received from (UTC)": "2040-01-31T10:30"}, status=400)
        assert admin.page.field("Cause").value == "x" * 101
        assert "must not be longer than 100 characters" in admin.page.text
        await admin.press("Show", {"Cause": "", "Received from (UTC)": "nonsense"}, status=400)
        assert "must be a date and a time" in admin.page.text
        await admin.open("/dead-letters?integrationId=nonsense", status=400)
        assert "must be chosen from the list" in admin.page.text
        for nothing in ("?cursor=x", "/nonsense", "/0-99999999"):
            await admin.open(f"/dead-letters{nothing}", status=404)


async def test_what_was_sent_is_text_and_nothing_of_another_workspace_is_there(office: Office, tmp_path: Path) -> None:
    script = b"<script>alert(1)</script>\x1b\xff"
    hostile = office.request()
    await bury(office.kafka, [letter(Sent(key=hostile.key, value=script, headers=hostile.headers, partition=0))])
    [one] = (await office.listed())["items"]
    async with browser(office.plane) as guest:
        await guest.sign_in()
        await guest.open(f"/dead-letters/{one['id']}?body=on")
        assert "<script>alert" not in guest.page.html
        assert r"&lt;script&gt;alert(1)&lt;/script&gt;" in guest.page.html
    await become_a_neighbour(office.plane, tmp_path)
    async with browser(office.plane) as guest:
        neighbour = await guest.sign_in(f"neighbour.{EMAIL}")
        await neighbour.open(f"/dead-letters/{one['id']}", status=404)
        await neighbour.open("/dead-letters")
        assert "There is none" in neighbour.page.text
        mark = neighbour.mark if "csrf" in neighbour.page.html else (await neighbour.open("/account")).mark
        await neighbour.post("/dead-letters/discard", [("csrf", mark), ("id", one["id"]), ("count", "0")])
    await office.plane.log_in(EMAIL)
    assert [again["id"] for again in (await office.listed())["items"]] == [one["id"]]
