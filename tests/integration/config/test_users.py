"""Users, their permissions on every route, and the limits on guessing passwords."""

from collections.abc import Mapping

import pytest

from services.config.identity import ROLES, Permission
from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane

USERS = "/api/v1/users"
OTHER = "other@example.com"
OPEN = {
    ("POST", "/api/v1/session"),
    ("POST", "/uauth/v2/auth/login/profile"),
    ("GET", "/uauth/v2/auth/refresh/profile"),
    ("GET", "/.well-known/jwks.json"),
}
SIGNED_IN = {("DELETE", "/api/v1/session"), ("GET", "/api/v1/me"), ("PATCH", "/api/v1/me")}
SOME_ID = "01a20c53-527b-7133-8e4c-12cf2b8e8cb8"


async def make_user(plane: ControlPlane, email: str = OTHER, **fields: object) -> str:
    body = {"email": email, "password": PASSWORD, **(fields or {"role": "author"})}
    return str((await plane.call("POST", USERS, body, status=201))["id"])


async def statuses(plane: ControlPlane) -> Mapping[tuple[str, str], int]:
    return {
        (method, path): (await plane.client.request(method, path, json={})).status_code
        for method, path in sorted(plane.routes(SOME_ID, SOME_ID) - SIGNED_IN)
    }


async def test_a_user_is_made_read_changed_and_deleted(plane: ControlPlane) -> None:
    made = await plane.call("POST", USERS, {"email": " Some@Example.com", "role": "author"}, status=201)
    assert made["email"] == "some@example.com"
    assert (made["role"], made["permissions"]) == ("author", [str(one) for one in ROLES["author"]])
    shown = {name: value for name, value in made.items() if name != "password"}
    path = f"{USERS}/{made['id']}"
    assert await plane.call("GET", path) == shown
    login = {"email": "SOME@example.com", "password": made["password"]}
    await plane.call("POST", "/api/v1/session", login, status=201)
    changed = await plane.call("PATCH", path, {"permissions": ["ADMIN"]})
    assert (changed["role"], changed["permissions"]) == (None, ["ADMIN"])
    await plane.call("DELETE", path, status=204)
    await plane.call("GET", path, status=404)
    await plane.call("POST", "/api/v1/session", login, status=401)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nobody", "role": "viewer"}, "email"),
        ({"email": EMAIL.upper(), "role": "viewer"}, "email"),
        ({"email": OTHER}, "permissions"),
        ({"email": OTHER, "role": "viewer", "permissions": []}, "role"),
        ({"email": OTHER, "role": "king"}, "role"),
        ({"email": OTHER, "permissions": ["EVERYTHING"]}, "permissions[0]"),
        ({"email": OTHER, "role": "viewer", "password": "short"}, "password"),
    ],
)
async def test_what_is_no_user_is_refused_and_located(plane: ControlPlane, body: dict[str, object], field: str) -> None:
    answer = await plane.call("POST", USERS, body, status=400)
    assert [fault["field"] for fault in answer["errors"]] == [field]


async def test_somebody_who_may_administrate_is_always_left(plane: ControlPlane) -> None:
    me = f"{USERS}/{(await plane.call('GET', '/api/v1/me'))['id']}"
    await plane.call("DELETE", me, status=409)
    await plane.call("PATCH", me, {"role": "publisher"}, status=409)
    await make_user(plane, role="administrator")
    await plane.call("PATCH", me, {"role": "publisher"})
    await plane.call("GET", USERS, status=403)


async def test_a_new_password_ends_the_sessions_of_a_user(plane: ControlPlane) -> None:
    body = {"currentPassword": PASSWORD, "password": "another long password"}
    wrong = await plane.call("PATCH", "/api/v1/me", {**body, "currentPassword": "wrong"}, status=400)
    assert [fault["field"] for fault in wrong["errors"]] == ["currentPassword"]
    await plane.call("PATCH", "/api/v1/me", body, status=204)
    await plane.call("GET", "/api/v1/me", status=401)
    await plane.call("POST", "/api/v1/session", {"email": EMAIL, "password": PASSWORD}, status=401)
    await plane.call("POST", "/api/v1/session", {"email": EMAIL, "password": body["password"]}, status=201)


async def test_every_route_is_closed_to_a_user_without_its_permission(plane: ControlPlane) -> None:
    await make_user(plane, permissions=["AUTOMATION_ACCESS"])
    await plane.log_in(OTHER)
    refused = await statuses(plane)
    assert {route for route, status in refused.items() if status != 403} == OPEN
    assert len(refused) > 30


async def test_without_access_no_other_permission_counts(plane: ControlPlane) -> None:
    await make_user(plane, permissions=[str(one) for one in Permission if one is not Permission.AUTOMATION_ACCESS])
    await plane.log_in(OTHER)
    assert {route for route, status in (await statuses(plane)).items() if status != 403} == OPEN


async def test_each_permission_opens_its_routes_and_no_others(plane: ControlPlane) -> None:
    opened = {}
    for number, permission in enumerate(list(Permission)[1:]):
        await make_user(plane, f"u{number}@example.com", permissions=["AUTOMATION_ACCESS", str(permission)])
    for number, permission in enumerate(list(Permission)[1:]):
        await plane.log_in(f"u{number}@example.com")
        opened[permission] = {route for route, status in (await statuses(plane)).items() if status != 403} - OPEN
    sets = list(opened.values())
    assert set().union(*sets) == plane.routes(SOME_ID, SOME_ID) - OPEN - SIGNED_IN
    assert sum(map(len, sets)) == len(set().union(*sets))
    assert all(method == "GET" or path.endswith("/test") for method, path in opened[Permission.INTEGRATIONS_READ])
    assert {path.rpartition("/")[2] for _, path in opened[Permission.INTEGRATIONS_PUBLISH]} == {"publish", "unpublish"}


async def test_deleting_what_is_published_needs_the_permission_to_publish(plane: ControlPlane) -> None:
    path = f"/api/v1/integrations/{await plane.create_integration()}"
    await plane.call("POST", f"{path}/publish")
    await make_user(plane, role="author")
    await plane.log_in(OTHER)
    await plane.call("DELETE", path, status=403)


async def test_guessing_the_password_of_a_user_is_answered_429_and_when_to_come_back(plane: ControlPlane) -> None:
    bad = {"email": EMAIL, "password": "wrong"}
    tried = [await plane.client.post("/api/v1/session", json=bad) for _ in range(10)]
    while tried[-1].status_code == 401 and len(tried) < 30:  # the limit refills while a slow machine hashes
        tried.append(await plane.client.post("/api/v1/session", json=bad))
    *wrong, response = tried
    assert [one.status_code for one in wrong] == [401] * max(10, len(wrong))
    assert response.status_code == 429
    assert 1 <= int(response.headers["retry-after"]) <= 6


async def test_signing_in_rightly_is_never_too_often(plane: ControlPlane) -> None:
    for _ in range(12):
        await plane.log_in(EMAIL)
