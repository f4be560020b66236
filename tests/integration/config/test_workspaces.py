from datetime import UTC, datetime
from pathlib import Path

from services.config.identity import ROLES, User, Workspace
from services.config.passwords import Passwords
from services.config.store.accounts import add_user, add_workspace
from services.config.store.database import Database
from tests.integration.config.control_plane import EMAIL, EVERYTHING, PASSWORD, ControlPlane, settings

NEIGHBOUR = "01a20c53-0000-7000-8000-000000000001"
NOBODY = "01a20c53-0000-7000-8000-000000000002"
SIGNING_KEYS = "/api/v1/signing-keys"


async def become_a_neighbour(plane: ControlPlane, folder: Path) -> None:
    """Continue as a user of another workspace of the same installation."""
    now, email = datetime.now(UTC), f"neighbour.{EMAIL}"
    hashed = await Passwords().hash(PASSWORD)
    database = Database(settings(folder).database)
    async with database.writing() as connection:
        await add_workspace(connection, Workspace(id=NEIGHBOUR, name="Neighbour", time_zone="UTC"), now)
        user = User(id=NEIGHBOUR, email=email, password_hash=hashed, permissions=ROLES["administrator"], created_at=now)
        await add_user(connection, NEIGHBOUR, user)
    await database.close()
    await plane.log_in(email)


async def test_what_belongs_to_another_workspace_does_not_exist(plane: ControlPlane, tmp_path: Path) -> None:
    integration_id = await plane.create_integration()
    event_id = await plane.create_business_event(integration_id)
    key_id = (await plane.call("POST", "/api/v1/api-keys", {"name": "k"}, status=201))["id"]
    [signing_key] = (await plane.call("GET", SIGNING_KEYS))["items"]
    user_id = (await plane.call("GET", "/api/v1/me"))["id"]
    theirs = [
        f"/api/v1/integrations/{integration_id}",
        f"/api/v1/business-events/{event_id}",
        f"/api/v1/api-keys/{key_id}",
        f"/api/v1/users/{user_id}",
    ]
    before = [await plane.call("GET", path) for path in theirs]

    await become_a_neighbour(plane, tmp_path)
    ids = {"key_id": key_id, "user_id": user_id, "signing_key_id": signing_key["id"]}
    with_ids = plane.routes(integration_id, event_id, **ids) - plane.routes(NOBODY, NOBODY)
    assert len(with_ids) == 22
    for method, path in with_ids:
        changes = {"role": "viewer"} if "/users/" in path else {"name": "mine now"}
        await plane.call(method, path, changes if method == "PATCH" else None, status=404)
    lists = ("integrations", "business-events", f"business-events?integrationId={integration_id}", "api-keys")
    for path in (*lists, "signing-keys", "audit-log"):
        assert (await plane.call("GET", f"/api/v1/{path}"))["items"] == []
    assert [user["id"] for user in (await plane.call("GET", "/api/v1/users"))["items"]] == [NEIGHBOUR]
    listener = {"name": "mine", "integrationId": integration_id, "where": EVERYTHING}
    refused = await plane.call("POST", "/api/v1/business-events", listener, status=400)
    assert [fault["field"] for fault in refused["errors"]] == ["integrationId"]

    await plane.log_in(EMAIL)
    assert [await plane.call("GET", path) for path in theirs] == before
    assert (await plane.call("GET", SIGNING_KEYS))["items"] == [signing_key]
