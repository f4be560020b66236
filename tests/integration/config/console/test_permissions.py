"""What each role is offered, and what it is refused, on every route that the console has."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from services.config.identity import ROLES
from tests.integration.config.console.browser import UUID, Browser, console_routes
from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane
from tests.integration.config.test_users import OTHER, SOME_ID, make_user
from tests.integration.config.test_workspaces import become_a_neighbour

Route = tuple[str, str]

# Pages of what is in Kafka, which is not there: see `test_dead_letters`.
IN_KAFKA = "/dead-letters"
# Every route, and the first role that may use it.
OPEN = {("GET", "/"), ("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-out")}
SIGNED_IN = {("GET", "/account"), ("POST", "/account")}
FIRST_ROLE: dict[str, set[Route]] = {
    "viewer": {
        *(("GET", path) for path in ("/incoming", "/incoming/{id}", "/business-events", "/business-events/{id}")),
        *(("GET", path) for path in ("/api-keys", "/api-keys/{id}")),
        *(("GET", f"/incoming/{{id}}/{path}") for path in ("activity", "activity/{id}", "find")),
    },
    "author": {
        *(("GET", path) for path in ("/incoming/new", "/incoming/{id}/delete", "/incoming/{id}/discard-draft")),
        *(("GET", path) for path in ("/business-events/new", "/business-events/{id}/delete")),
        *(("POST", f"/incoming/{path}") for path in ("new", "{id}", "{id}/retrieve", "{id}/cancel-capture")),
        *(("POST", f"/incoming/{path}") for path in ("{id}/discard-draft", "{id}/delete")),
        *(
            ("POST", f"/business-events/{path}")
            for path in ("new", "{id}", "{id}/activate", "{id}/pause", "{id}/delete")
        ),
    },
    "publisher": {
        *(("POST", f"/incoming/{{id}}/{path}") for path in ("publish", "unpublish")),
        ("GET", "/incoming/{id}/unpublish"),
    },
    "administrator": {
        *(("POST", path) for path in ("/api-keys", "/api-keys/{id}", "/api-keys/{id}/revoke")),
        *(("GET", path) for path in ("/users", "/users/{id}", "/audit-log", "/workspace", "/dead-letters")),
        *(("GET", f"/dead-letters/{path}") for path in ("{id}", "replay", "discard")),
        *(("POST", f"/dead-letters/{path}") for path in ("replay", "discard")),
        *(("POST", path) for path in ("/users", "/users/{id}", "/users/{id}/delete", "/workspace")),
    },
}


def allowed(role: str) -> set[Route]:
    """Everything that a role may use."""
    roles = list(ROLES)
    return OPEN | SIGNED_IN | set().union(*(FIRST_ROLE[one] for one in roles[: roles.index(role) + 1]))


async def sign_in_as(role: str, plane: ControlPlane, guest: Browser) -> None:
    if role != "administrator":
        await make_user(plane, role=role)
    await guest.sign_in(EMAIL if role == "administrator" else OTHER)


def test_the_routes_above_are_those_of_the_console(plane: ControlPlane) -> None:
    assert allowed("administrator") == console_routes(plane)


@pytest.mark.parametrize("role", list(ROLES))
async def test_a_role_is_refused_what_it_may_not_do(plane: ControlPlane, guest: Browser, role: str) -> None:
    await sign_in_as(role, plane, guest)
    mark = guest.mark if guest.answer.status_code == 200 and "csrf" in guest.page.html else await _mark(guest)
    refused = {route for route in console_routes(plane) - OPEN if await _is_refused(guest, route, mark)}
    assert refused == console_routes(plane) - allowed(role)


async def _mark(guest: Browser) -> str:
    return (await guest.open("/account")).mark


async def _is_refused(guest: Browser, route: Route, mark: str) -> bool:
    """Whether it is; nothing else may happen but that nothing is found, that what is sent lacks something, or that
    there is no Kafka to ask.
    """
    method, path = route[0], route[1].format(id=SOME_ID)
    fields = {"csrf": mark} if method == "POST" else None
    answer = await guest.client.request(method, path, data=fields, follow_redirects=False)
    known = {200, 400, 403, 404, 503} if path.startswith(IN_KAFKA) else {200, 400, 403, 404}
    assert answer.status_code in known, (route, answer.status_code)
    assert "Traceback" not in answer.text
    return answer.status_code == 403


async def test_nobody_sees_anything_without_signing_in(plane: ControlPlane, guest: Browser) -> None:
    closed = console_routes(plane) - OPEN
    for method, path in closed:
        answer = await guest.client.request(
            method, path.format(id=SOME_ID), data={} if method == "POST" else None, follow_redirects=False
        )
        assert answer.status_code == 303
        after = path.format(id=SOME_ID) if method == "GET" else "/incoming"
        assert answer.headers["location"] == f"/sign-in?next={after}"


async def test_the_cursor_is_where_something_has_to_be_typed(guest: Browser) -> None:
    await guest.open("/sign-in")
    assert _focused(guest) == ["email"]
    await guest.press("Sign in", {"Email address": EMAIL, "Password": "not the password"}, status=401)
    assert _focused(guest) == ["password"]


def _focused(browser: Browser) -> list[str]:
    fields = re.findall(r"<input[^>]* autofocus[^>]*>", browser.answer.text)
    return [name for field in fields for name in re.findall(r'name="(\w+)"', field)]


async def test_a_user_without_access_is_told_so_and_may_change_the_password(
    plane: ControlPlane, guest: Browser
) -> None:
    await make_user(plane, permissions=["ADMIN", "INTEGRATIONS_READ"])
    await guest.open("/sign-in")
    await guest.press("Sign in", {"Email address": OTHER, "Password": PASSWORD}, status=403)
    assert "AUTOMATION_ACCESS" in guest.page.text
    assert {"/incoming", "/users"}.isdisjoint(guest.page.links)
    for _, path in console_routes(plane) - OPEN - SIGNED_IN:
        await guest.open(path.format(id=SOME_ID), status=405 if _is_sent_only(path, plane) else 403)
    await guest.open("/account")


def _is_sent_only(path: str, plane: ControlPlane) -> bool:
    return ("GET", path) not in console_routes(plane)


@pytest.mark.parametrize("role", list(ROLES))
async def test_a_role_is_offered_all_that_it_may_do_and_nothing_else(
    plane: ControlPlane, guest: Browser, role: str
) -> None:
    await _fill(plane)
    await sign_in_as(role, plane, guest)
    offered, seen, waiting = set[Route](), set[str](), ["/incoming"]
    while waiting:
        path = waiting.pop()
        await guest.open(path)
        links = {link.partition("#")[0] for link in guest.page.links if link.startswith("/")}
        offered |= {("GET", _pattern(link)) for link in links} | set(_sent_from(guest))
        seen.add(path)
        fresh = {link for link in links if link not in {"", "/"} and not link.startswith(("/api/", IN_KAFKA))}
        waiting += sorted(fresh - seen - set(waiting))
    offered -= {("GET", "/api/v1/integrations/{id}/capture")}
    nothing_came = {("GET", "/incoming/{id}/activity/{id}"), ("GET", "/incoming/{id}/find")}
    nothing_came |= {route for route in console_routes(plane) if route[1].startswith(f"{IN_KAFKA}/")}
    assert offered == allowed(role) - {("GET", "/sign-in"), ("POST", "/sign-in")} - nothing_came


async def _fill(plane: ControlPlane) -> None:
    """Something in every state: published with a draft beside it, a draft, one with a capture; active and paused."""
    published = await plane.create_integration()
    await plane.call("POST", f"/api/v1/integrations/{published}/publish")
    await plane.call("PATCH", f"/api/v1/integrations/{published}", {"name": "Changed"})
    await plane.create_business_event(published)
    paused = await plane.create_business_event(published)
    await plane.call("POST", f"/api/v1/business-events/{paused}/pause")
    armed = await plane.create_integration()
    await plane.call("POST", f"/api/v1/integrations/{armed}/capture", status=201)
    await plane.call("POST", "/api/v1/api-keys", {"name": "Portal"}, status=201)


def _sent_from(guest: Browser) -> Collection[Route]:
    """What the buttons of a page send, as far as they can be pressed."""
    return {
        (form.method.upper(), _pattern(button.action or form.action or str(guest.answer.url)))
        for form in guest.page.forms
        for button in form.buttons
        if not button.is_disabled
    }


def _pattern(link: str) -> str:
    return UUID.sub("{id}", re.sub(r"^https?://[^/]+", "", link).partition("?")[0].partition("#")[0])


async def test_who_may_not_publish_is_not_offered_to_delete_what_is_published(
    plane: ControlPlane, guest: Browser
) -> None:
    integration_id = await plane.create_integration()
    await plane.call("POST", f"/api/v1/integrations/{integration_id}/publish")
    await sign_in_as("author", plane, guest)
    await guest.open(f"/incoming/{integration_id}")
    assert f"/incoming/{integration_id}/delete" not in guest.page.links
    await guest.open(f"/incoming/{integration_id}/delete")
    await guest.press("Delete", status=403)
    assert "INTEGRATIONS_PUBLISH" in guest.page.text


async def test_a_viewer_sees_what_there_is_and_can_fill_in_nothing(plane: ControlPlane, guest: Browser) -> None:
    integration_id = await plane.create_integration()
    event_id = await plane.create_business_event(integration_id)
    key_id = (await plane.call("POST", "/api/v1/api-keys", {"name": "Portal"}, status=201))["id"]
    await sign_in_as("viewer", plane, guest)
    for path in (f"/incoming/{integration_id}", f"/business-events/{event_id}", f"/api-keys/{key_id}"):
        await guest.open(path)
        fields = [field for form in guest.page.forms for field in form.fields if field.kind != "hidden"]
        assert fields
        assert all(field.is_disabled for field in fields)
        assert guest.page.offers() == {"Sign out"}


async def test_nothing_of_another_workspace_is_there(plane: ControlPlane, guest: Browser, tmp_path: Path) -> None:
    integration_id = await plane.create_integration()
    event_id = await plane.create_business_event(integration_id)
    key_id = (await plane.call("POST", "/api/v1/api-keys", {"name": "Portal"}, status=201))["id"]
    user_id = await make_user(plane)
    ids = {"incoming": integration_id, "business-events": event_id, "api-keys": key_id, "users": user_id}
    before = [await plane.call("GET", "/api/v1/audit-log")]

    await become_a_neighbour(plane, tmp_path)
    await guest.sign_in(f"neighbour.{EMAIL}")
    mark = await _mark(guest)
    theirs = [(method, path) for method, path in sorted(console_routes(plane)) if "{id}" in path]
    for method, path in theirs:
        there = path.format(id=ids.get(path.split("/")[1], SOME_ID))  # dead letters: see `test_dead_letters`
        fields = {"csrf": mark, "name": "mine now", "permission": "ADMIN"} if method == "POST" else None
        answer = await guest.client.request(method, there, data=fields)
        assert answer.status_code == 404, (method, path)
    await guest.open(f"/business-events/new?integration={integration_id}", status=404)
    await guest.post("/business-events/new", [("csrf", mark), ("integrationId", integration_id)], status=404)
    for path in (f"/business-events?integration={integration_id}", f"/audit-log?subject={integration_id}", "/incoming"):
        await guest.open(path)
        assert "Complaints" not in guest.page.text
        assert "High" not in guest.page.text

    await plane.log_in(EMAIL)
    assert [await plane.call("GET", "/api/v1/audit-log")] == before
