"""The flow of the reference documentation, in a browser that runs no scripts."""

import re
from pathlib import Path

import pytest

from tests.integration.config.console.browser import UUID, Browser, receive
from tests.integration.config.control_plane import ControlPlane

BODY = {"complaint": {"id": "cmp-1", "priority": "high", "files": [{"fileName": "a.jpg"}]}}


async def choose(admin: Browser, kind: str) -> dict[str, str | bool]:
    """The way to the form for one kind of authentication, and what has to be filled in there."""
    if kind == "jwt":
        await admin.open("/api-keys")
        await admin.press("Create", {"Name": "Portal"})
    await admin.open("/incoming")
    assert "/incoming/new" in admin.page.links
    await admin.open("/incoming/new")
    assert f"/incoming/new?auth={kind}" in admin.page.links
    await admin.open(f"/incoming/new?auth={kind}")
    match kind:
        case "jwt":
            [_, key] = admin.page.field("API key").options
            return {"API key": key}
        case "meta":
            return {"App secret": "the app secret", "Verify token": "the token"}
        case _:
            return {}


@pytest.mark.parametrize("kind", ["jwt", "none", "meta"])
async def test_an_integration_is_made_sampled_deduplicated_and_published(
    admin: Browser, plane: ControlPlane, tmp_path: Path, kind: str
) -> None:
    await admin.press("Apply", {**await choose(admin, kind), "Name": "Complaints", "Node icon": "📮"})
    integration_id = admin.path.rpartition("/")[2]
    assert UUID.fullmatch(integration_id)
    assert "Draft" in admin.page.text
    assert (
        f"https://hooks.example.com/automation-endpoint/endpoints/authorized/{integration_id}/trigger"
        in admin.page.text
    )

    await admin.press("Retrieve data")
    assert "Waiting for a request" in admin.page.text
    await receive(tmp_path, integration_id, BODY, {"x-form-id": "7"}, refused="the signature is wrong")
    await admin.open(admin.path)
    for shown in ("body.complaint.files.0.fileName", "headers.x-form-id", '"cmp-1"', "the signature is wrong"):
        assert shown in admin.page.text

    boxes = {field.value: field for field in admin.page.form("integration").fields if field.name == "parameter"}
    boxes["body.complaint.id"].is_on = True
    await admin.press("Apply", {"Others, by name": "headers.x-form-id"})
    stored = await plane.call("GET", f"/api/v1/integrations/{integration_id}")
    assert stored["deduplication"]["parameters"] == ["body.complaint.id", "headers.x-form-id"]
    assert stored["state"] == "draft"

    await admin.press("Save & publish")
    assert "Saved and published" in admin.page.text
    assert "Published v1" in admin.page.text
    stored = await plane.call("GET", f"/api/v1/integrations/{integration_id}")
    assert (stored["state"], stored["icon"], stored["auth"]["kind"]) == ("published", "📮", kind)
    assert stored["published"]["deduplication"] == stored["deduplication"]


async def test_a_parameter_that_is_no_value_in_the_sample_is_warned_of_on_the_page_and_by_the_api(
    admin: Browser, plane: ControlPlane, tmp_path: Path
) -> None:
    rules = {"parameters": ["body.complaint.id", "body.complaint"]}
    integration_id = await plane.create_integration(auth={"kind": "none"}, deduplication=rules)
    path = f"/api/v1/integrations/{integration_id}"
    assert (await plane.call("GET", path))["warnings"] == []
    await plane.call("POST", f"{path}/capture", status=201)
    await receive(tmp_path, integration_id, BODY, {})
    [warning] = (await plane.call("GET", path))["warnings"]
    assert warning["field"] == "deduplication.parameters[1]"
    await admin.open(f"/incoming/{integration_id}")
    assert f"body.complaint {warning['message']}" in admin.page.text


async def test_a_published_integration_is_changed_discarded_unpublished_and_deleted(
    admin: Browser, plane: ControlPlane
) -> None:
    integration_id = await plane.create_integration()
    path = f"/api/v1/integrations/{integration_id}"
    await admin.open(f"/incoming/{integration_id}")
    here = f"/incoming/{integration_id}"
    steps = {f"{here}/unpublish", f"{here}/discard-draft"}
    assert steps.isdisjoint(admin.page.links)
    await admin.press("Save & publish")
    await admin.press("Save", {"Name": "Renamed", "Requests per second": "2.5", "At once": "10"})
    assert "Saved as a draft" in admin.page.text
    assert "Unpublished changes" in admin.page.text
    assert (await plane.call("GET", path))["rateLimit"] == {"perSecond": 2.5, "burst": 10}
    assert steps <= set(admin.page.links)
    await admin.open(f"{here}/discard-draft")
    assert 'name "Renamed" "Complaints"' in admin.page.text
    assert (await plane.call("GET", path))["name"] == "Renamed"
    await admin.press("Discard draft")
    assert ((await plane.call("GET", path))["name"], admin.path) == ("Complaints", here)
    await admin.open(f"{here}/discard-draft")
    assert "It is what is published." in admin.page.text
    await admin.open(f"{here}/unpublish")
    assert "answers 404" in admin.page.text
    assert (await plane.call("GET", path))["state"] == "published"
    await admin.press("Unpublish")
    assert ((await plane.call("GET", path))["state"], admin.path) == ("draft", here)
    await admin.open(f"{here}/unpublish")
    assert "It is not published." in admin.page.text
    event_id = await plane.create_business_event(integration_id)
    await admin.open(f"/incoming/{integration_id}/delete")
    await admin.press("Delete", status=409)
    assert "High" in admin.page.text
    await admin.press("Delete", {"Delete them too": True})
    assert (admin.path, "Deleted." in admin.page.text) == ("/incoming", True)
    await plane.call("GET", path, status=404)
    await plane.call("GET", f"/api/v1/business-events/{event_id}", status=404)


async def test_a_capture_that_is_cancelled_keeps_what_was_typed_beside_it(admin: Browser, plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    await admin.open(f"/incoming/{integration_id}")
    await admin.press("Retrieve data", {"Name": "Typed before"})
    assert (await plane.call("GET", f"/api/v1/integrations/{integration_id}"))["name"] == "Typed before"
    await admin.press("Cancel", {"Name": " "}, status=400)
    assert (await plane.call("GET", f"/api/v1/integrations/{integration_id}/capture"))["state"] == "cancelled"
    assert "must not be empty" in admin.page.text
    await admin.press("Retrieve data", {"Name": "Typed after"})
    await admin.press("Cancel", {"Name": "Typed at last"})
    assert (await plane.call("GET", f"/api/v1/integrations/{integration_id}"))["name"] == "Typed at last"
    assert "Waiting" not in admin.page.text


async def test_a_business_event_is_built_tested_saved_paused_and_deleted(
    admin: Browser, plane: ControlPlane, tmp_path: Path
) -> None:
    integration_id = await plane.create_integration()
    await plane.call("POST", f"/api/v1/integrations/{integration_id}/capture", status=201)
    await receive(tmp_path, integration_id, BODY)
    await admin.open("/business-events/new")
    await admin.open(f"/business-events/new?integration={integration_id}")
    assert 'value="body.complaint.files.*.fileName"' in admin.page.html
    await admin.press(
        "+ Condition", {"Name": "High with a picture", "Parameter": "body.complaint.priority", "Value": "high"}
    )
    rows = {field.name: field for form in admin.page.forms for field in form.fields}
    rows["param:0.1"].value, rows["operator:0.1"].value = "body.complaint.files", "array.LENGTH_MORE"
    await admin.press("+ Group")
    rows = {field.name: field for form in admin.page.forms for field in form.fields}
    rows["value:0.1"].value = "0"
    rows["param:0.2.0"].value, rows["operator:0.2.0"].value = "body.complaint.id", "string.IN"
    rows["value:0.2.0"].value = "cmp-1\ncmp-2"
    await admin.press("Test")
    assert "✓ This request triggers it." in admin.page.text
    assert admin.page.text.count("✓ holds") == 3
    await admin.press("Create")
    event_id = admin.path.rpartition("/")[2]
    path = f"/api/v1/business-events/{event_id}"
    assert (await plane.call("GET", path))["where"] == {
        "all": [
            {"param": "body.complaint.priority", "type": "string", "operator": "EQUAL", "value": "high"},
            {"param": "body.complaint.files", "type": "array", "operator": "LENGTH_MORE", "value": 0},
            {"any": [{"param": "body.complaint.id", "type": "string", "operator": "IN", "value": ["cmp-1", "cmp-2"]}]},
        ]
    }
    await admin.press("Pause")
    assert (await plane.call("GET", path))["state"] == "paused"
    await admin.press("Activate")
    assert (await plane.call("GET", path))["state"] == "active"
    await admin.press("Save", {"Name": "Renamed"})
    assert (await plane.call("GET", path))["name"] == "Renamed"
    await admin.open(f"/business-events/{event_id}/delete")
    await admin.press("Delete")
    await plane.call("GET", path, status=404)


async def test_a_test_shows_why_each_condition_does_not_hold(admin: Browser, plane: ControlPlane) -> None:
    event = await plane.create_business_event(await plane.create_integration())
    where = {
        "all": [
            {"param": "body.a", "type": "string", "operator": "EQUAL", "value": "x"},
            {"param": "body.b", "type": "number", "operator": "EQUAL", "value": 1},
            {"param": "body.c", "type": "number", "operator": "MORE", "value": 1},
            {"some": "body.d", "where": {"param": "e", "type": "any", "operator": "EXISTS"}},
            {"any": []},
        ]
    }
    await plane.call("PATCH", f"/api/v1/business-events/{event}", {"where": where})
    await admin.open(f"/business-events/{event}")
    await admin.press("Test", {"Body of a request": '{"b": "1", "c": 1, "d": [{"e": null}]}'})
    text = admin.page.text
    assert "✗ This request does not trigger it." in text
    assert "✗ does not hold: there is no such value" in text
    assert '✗ does not hold, the value is of another type: "1"' in text
    assert "✗ does not hold: 1 " in text
    assert "✗ does not hold Empty: it never holds." in text
    assert text.count("✓ holds") == 2


async def test_a_test_and_the_suggestions_are_about_the_parts_of_what_is_split(
    admin: Browser, plane: ControlPlane, tmp_path: Path
) -> None:
    auth = {"kind": "meta", "appSecret": "s", "verifyToken": "v", "splitBatches": True}
    identifier = await plane.create_integration(auth=auth)
    await plane.call("POST", f"/api/v1/integrations/{identifier}/capture", status=201)
    await receive(tmp_path, identifier, {"entry": [{"changes": [{"field": "feed"}, {"field": "leadgen", "id": 7}]}]})
    await admin.open(f"/business-events/new?integration={identifier}")
    assert '"body.entry.0.changes.0.id"' in admin.answer.text
    assert "body.entry.0.changes.1" not in admin.answer.text
    await admin.press("Test", {"Parameter": "body.entry.0.changes.0.field", "Value": "leadgen"})
    assert "✓ Of the 2 parts of this request 1 triggers it." in admin.page.text
    assert "body.entry.0.changes.1" in admin.page.text
    await admin.press("Test", {"Value": "messages"})
    assert "✗ Of the 2 parts of this request none triggers it." in admin.page.text


async def test_the_list_is_searched_and_paged(admin: Browser, plane: ControlPlane) -> None:
    await admin.open("/incoming")
    assert "No integrations yet" in admin.page.text
    for number in range(51):
        await plane.create_integration(f"Number {number:02}")
    await admin.open("/incoming")
    assert "Number 50" in admin.page.text
    assert "Number 00" not in admin.page.text
    older = next(link for link in admin.page.links if "cursor=" in link)
    await admin.open(f"/incoming{older}")
    assert "Number 00" in admin.page.text
    await admin.open("/incoming")
    await admin.press("Search", {"Search by name or id": "NUMBER 07"})
    assert re.findall(r"Number \d\d", admin.page.text) == ["Number 07"]
    await admin.press("Search", {"Search by name or id": "<none>"})
    assert "No integration has “<none>” in its name or id." in admin.page.text
