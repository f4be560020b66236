"""Two people at one thing: nobody overwrites what they have not seen."""

import re

from tests.integration.config.console.browser import Browser
from tests.integration.config.control_plane import ControlPlane

OUTDATED = "Somebody has changed this since you opened it, so nothing is saved."


async def test_a_form_of_an_outdated_integration_is_kept_and_overwrites_nothing(
    admin: Browser, plane: ControlPlane
) -> None:
    integration_id = await plane.create_integration()
    path = f"/api/v1/integrations/{integration_id}"
    for button in ("Save", "Save & publish", "Apply", "Retrieve data"):
        await admin.open(f"/incoming/{integration_id}")
        await plane.call("PATCH", path, {"name": f"Changed before {button}"})
        for _ in range(2):  # and not with the second try either
            await admin.press(button, {"Name": "Typed", "Others, by name": "body.a"}, status=412)
            assert OUTDATED in admin.page.text
            assert f"/incoming/{integration_id}" in admin.page.links
            assert admin.page.field("Name").value == "Typed"
        stored = await plane.call("GET", path)
        assert (stored["name"], stored["state"], stored["deduplication"]) == (f"Changed before {button}", "draft", None)
    await admin.open(f"/incoming/{integration_id}")
    await admin.press("Save", {"Name": "Typed"})
    assert (await plane.call("GET", path))["name"] == "Typed"


async def test_of_an_outdated_form_the_sections_are_open_in_which_something_else_was_typed(
    admin: Browser, plane: ControlPlane
) -> None:
    auth = {"kind": "meta", "appSecret": "a secret", "verifyToken": "a token"}
    integration_id = await plane.create_integration(auth=auth)
    cases: list[tuple[dict[str, str | bool], set[str]]] = [
        ({"Node icon": "📬"}, {"endpoint"}),
        ({"App secret": "another one"}, {"endpoint"}),
        ({"Others, by name": "body.a"}, {"deduplication"}),
        ({}, set()),
    ]
    for number, (typed, sections) in enumerate(cases):
        await admin.open(f"/incoming/{integration_id}")
        assert _open_sections(admin) == set()
        await plane.call("PATCH", f"/api/v1/integrations/{integration_id}", {"icon": f"{number}"})
        await admin.press("Save", {"Node icon": f"{number}"} | typed, status=412)
        assert _open_sections(admin) == sections


def _open_sections(admin: Browser) -> set[str]:
    return set(re.findall(r'<details class="card section" id="(\w+)" open>', admin.page.html))


async def test_a_form_of_an_outdated_business_event_is_kept_and_overwrites_nothing(
    admin: Browser, plane: ControlPlane
) -> None:
    event_id = await plane.create_business_event(await plane.create_integration())
    path = f"/api/v1/business-events/{event_id}"
    await admin.open(f"/business-events/{event_id}")
    await plane.call("PATCH", path, {"name": "Changed"})
    await admin.press("+ Condition", {"Name": "Typed"})
    await admin.press("Test", {"Parameter": "nowhere", "Body of a request": "{}"}, status=400)
    for _ in range(2):
        await admin.press("Save", {"Parameter": "body.a", "Value": "typed"}, status=412)
        assert OUTDATED in admin.page.text
        assert (admin.page.field("Name").value, admin.page.field("Value").value) == ("Typed", "typed")
    stored = await plane.call("GET", path)
    assert (stored["name"], stored["where"]) == ("Changed", {})


async def test_a_form_of_an_outdated_api_key_is_kept_and_overwrites_nothing(
    admin: Browser, plane: ControlPlane
) -> None:
    key = await plane.call("POST", "/api/v1/api-keys", {"name": "Portal"}, status=201)
    path = f"/api/v1/api-keys/{key['id']}"
    await admin.open(f"/api-keys/{key['id']}")
    await plane.call("PATCH", path, {"name": "Changed"})
    for _ in range(2):
        await admin.press("Save", {"Name": "Typed"}, status=412)
        assert OUTDATED in admin.page.text
        assert admin.page.field("Name").value == "Typed"
    assert (await plane.call("GET", path))["name"] == "Changed"


async def test_a_form_of_an_outdated_user_is_kept_and_overwrites_nothing(admin: Browser, plane: ControlPlane) -> None:
    body = {"email": "user@example.com", "role": "viewer"}
    user = await plane.call("POST", "/api/v1/users", body, status=201)
    path = f"/api/v1/users/{user['id']}"
    await admin.open(f"/users/{user['id']}")
    await plane.call("PATCH", path, {"role": "author"})
    for _ in range(2):
        await admin.press("Save", {"Role": "administrator"}, status=412)
        assert OUTDATED in admin.page.text
    await admin.press("Delete", status=412)
    assert (await plane.call("GET", path))["role"] == "author"


async def test_what_is_done_to_an_outdated_state_is_not_done(admin: Browser, plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    event_id = await plane.create_business_event(integration_id)
    path = f"/api/v1/integrations/{integration_id}"
    await plane.call("POST", f"{path}/publish")
    await plane.call("PATCH", path, {"name": "Draft"})
    for page, button in (("unpublish", "Unpublish"), ("discard-draft", "Discard draft")):
        await admin.open(f"/incoming/{integration_id}/{page}")
        await plane.call("PATCH", path, {"name": f"Changed before {button}"})
        await admin.press(button, status=412)
        assert f"Changed before {button}?" in admin.page.text
        assert f"/incoming/{integration_id}" in admin.page.links
    stored = await plane.call("GET", path)
    assert (stored["state"], stored["name"]) == ("published", "Changed before Discard draft")

    for name in ("integration", "business-event"):
        there = f"/incoming/{integration_id}" if name == "integration" else f"/business-events/{event_id}"
        await admin.open(f"{there}/delete")
        rest = path if name == "integration" else f"/api/v1/business-events/{event_id}"
        await plane.call("PATCH", rest, {"name": "Changed again"})
        confirmed: dict[str, str | bool] = {"Delete them too": True} if name == "integration" else {}
        await admin.press("Delete", confirmed, status=412)
        assert "Changed again" in admin.page.text
        await plane.call("GET", rest)
    await admin.open(f"/business-events/{event_id}")
    await plane.call("PATCH", f"/api/v1/business-events/{event_id}", {"name": "Once more"})
    await admin.press("Pause", status=412)
    assert (await plane.call("GET", f"/api/v1/business-events/{event_id}"))["state"] == "active"


async def test_what_has_begun_to_listen_since_it_was_shown_is_not_deleted_unseen(
    admin: Browser, plane: ControlPlane
) -> None:
    integration_id = await plane.create_integration()
    await plane.create_business_event(integration_id, "Seen")
    await admin.open(f"/incoming/{integration_id}/delete")
    unseen = await plane.create_business_event(integration_id, "Unseen")
    await admin.press("Delete", {"Delete them too": True}, status=409)
    assert "Business Events listen to it that you have not confirmed" in admin.page.text
    assert f"/business-events/{unseen}" in admin.page.links
    await plane.call("GET", f"/api/v1/business-events/{unseen}")
    await admin.press("Delete", {"Delete them too": True})
    await plane.call("GET", f"/api/v1/business-events/{unseen}", status=404)


async def test_what_is_too_much_to_be_listed_is_counted_and_deleted_once_it_is_confirmed(
    admin: Browser, plane: ControlPlane
) -> None:
    integration_id = await plane.create_integration()
    for number in range(52):
        await plane.create_business_event(integration_id, str(number))
    await admin.open(f"/incoming/{integration_id}/delete")
    assert "and 2 more" in admin.page.text
    await admin.press("Delete", {"Delete them too": True})
    assert (await plane.call("GET", "/api/v1/business-events"))["items"] == []
