"""The boundary of a workspace: what is beyond it looks like nothing, on every route that there is."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from litestar.routes import HTTPRoute
from msgspec.structs import asdict
from sqlalchemy import insert

from services.config.identity import ROLES, User, Workspace
from services.config.passwords import Passwords
from services.config.store.accounts import add_workspace
from services.config.store.database import Database
from services.config.store.schema import users
from tests.eventually import eventually
from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane, settings
from tests.integration.config.locks import somebody_waits

NEIGHBOUR = "01a20c53-0000-7000-8000-000000000001"


async def become_a_neighbour(plane: ControlPlane, folder: Path) -> None:
    """Continue as a user of another workspace of the same installation."""
    now, email = datetime.now(UTC), f"neighbour.{EMAIL}"
    hashed = await Passwords().hash(PASSWORD)
    database = Database(settings(folder).database)
    async with database.writing() as connection:
        await add_workspace(connection, Workspace(id=NEIGHBOUR, name="Neighbour", time_zone="UTC"), now)
        user = User(id=NEIGHBOUR, email=email, password_hash=hashed, permissions=ROLES["administrator"], created_at=now)
        await connection.execute(insert(users).values(**asdict(user), workspace_id=NEIGHBOUR))
    await database.close()
    await plane.log_in(email)


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)  # SQLite has one writer
async def test_an_address_that_is_being_taken_in_another_workspace_is_taken(
    plane: ControlPlane, tmp_path: Path
) -> None:
    email, now = "jane@example.com", datetime.now(UTC)
    user = User(id=NEIGHBOUR, email=email, password_hash="x", permissions=(), created_at=now)
    database = Database(settings(tmp_path).database)
    try:
        async with database.writing() as neighbour:
            await add_workspace(neighbour, Workspace(id=NEIGHBOUR, name="Neighbour", time_zone="UTC"), now)
            await neighbour.execute(insert(users).values(**asdict(user), workspace_id=NEIGHBOUR))
            taking = asyncio.create_task(plane.client.post("/api/v1/users", json={"email": email, "role": "viewer"}))
            await eventually(lambda: somebody_waits(database))
        answer = await taking
    finally:
        await database.close()
    assert (answer.status_code, answer.json()["errors"]) == (400, [{"field": "email", "message": "is taken"}])


UNKNOWN = "01a20c53-0000-7000-8000-000000000002"


async def everything_of(plane: ControlPlane) -> dict[str, str]:
    """One of each kind that a workspace has: its id, by the name that paths have for it."""
    integration_id = await plane.create_integration()
    await plane.call("POST", f"/api/v1/integrations/{integration_id}/capture", status=201)
    key = await plane.call("POST", "/api/v1/api-keys", {"name": "Shop"}, status=201)
    user = await plane.call("POST", "/api/v1/users", {"email": "b@example.com", "role": "viewer"}, status=201)
    return {
        "integration_id": integration_id,
        "event_id": await plane.create_business_event(integration_id),
        "key_id": key["id"],
        "user_id": user["id"],
        "signing_key_id": (await plane.call("GET", "/api/v1/signing-keys"))["items"][0]["id"],
    }


def routes_with_an_id(plane: ControlPlane) -> set[tuple[str, str]]:
    """Method and path of every route of the API that names something, with the name in braces.

    Without those of events and dead letters, which are in Kafka: see `test_explanations`, `test_dead_letters`.
    """
    return {
        (method, route.path_format)
        for route in plane.app.routes
        if isinstance(route, HTTPRoute)
        and "{" in route.path_format
        and route.path.startswith("/api/")
        and not route.path.startswith(("/api/v1/events", "/api/v1/dead-letters"))
        for method in route.methods - {"OPTIONS"}
    }


async def test_what_belongs_to_another_workspace_looks_like_what_does_not_exist_on_every_route(
    plane: ControlPlane, tmp_path: Path
) -> None:
    theirs = await everything_of(plane)
    routes = routes_with_an_id(plane)
    paths = [path.format_map(theirs) for method, path in sorted(routes) if method == "GET" and "/stream" not in path]
    before = {path: await plane.call("GET", path) for path in paths}
    assert len(before) >= len(theirs) - 1  # a signing key is only listed

    await become_a_neighbour(plane, tmp_path)
    for method, path in sorted(routes):
        body: object = {} if method in {"PATCH", "PUT"} else None
        foreign, unknown = [
            await plane.client.request(method, path.format_map(ids), json=body)
            for ids in (theirs, dict.fromkeys(theirs, UNKNOWN))
        ]
        assert (foreign.status_code, unknown.status_code) == (404, 404), (method, path)
        assert foreign.content == unknown.content, (method, path)
        assert foreign.headers == unknown.headers, (method, path)
    for path in ("integrations", "business-events", "api-keys", "audit-log"):
        assert (await plane.call("GET", f"/api/v1/{path}"))["items"] == []
    assert [user["id"] for user in (await plane.call("GET", "/api/v1/users"))["items"]] == [NEIGHBOUR]
    assert (await plane.call("GET", "/api/v1/signing-keys"))["items"] == []

    await plane.log_in(EMAIL)
    assert {path: await plane.call("GET", path) for path in paths} == before


async def test_what_belongs_to_another_workspace_cannot_be_referred_to_and_looks_like_nothing(
    plane: ControlPlane, tmp_path: Path
) -> None:
    theirs = await everything_of(plane)
    await become_a_neighbour(plane, tmp_path)
    mine = await plane.create_integration()

    def references(ids: Mapping[str, str]) -> list[tuple[str, str, object]]:
        jwt = {"kind": "jwt", "apiKeyId": ids["key_id"]}
        return [
            ("POST", "/api/v1/integrations", {"name": "x", "auth": jwt}),
            ("PATCH", f"/api/v1/integrations/{mine}", {"auth": jwt}),
            ("POST", "/api/v1/business-events", {"name": "x", "integrationId": ids["integration_id"], "where": {}}),
            ("POST", "/api/v1/business-events/test", {"integrationId": ids["integration_id"], "where": {}}),
            ("GET", f"/api/v1/business-events?integrationId={ids['integration_id']}", None),
            ("GET", f"/api/v1/audit-log?subjectId={ids['integration_id']}", None),
            ("GET", f"/api/v1/business-events?cursor={ids['event_id']}", None),
            ("GET", f"/api/v1/api-keys?cursor={ids['key_id']}", None),
        ]

    for foreign, unknown in zip(references(theirs), references(dict.fromkeys(theirs, UNKNOWN)), strict=True):
        answers = [await plane.client.request(method, path, json=body) for method, path, body in (foreign, unknown)]
        assert answers[0].status_code in {200, 400}, foreign
        assert answers[0].content == answers[1].content, foreign
        assert answers[0].status_code == 400 or answers[0].json()["items"] == [], foreign
