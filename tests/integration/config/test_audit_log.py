"""The audit log: every change once, with who, what and the difference, and no secret."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.config.store.database import Database
from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane, settings

LOG = "/api/v1/audit-log"
SECRET, TOKEN = "app secret 4711", "verify token 4711"


async def entries_of(plane: ControlPlane) -> list[Any]:
    """What somebody did since the first start, the newest first."""
    entries: list[Any] = (await plane.call("GET", LOG))["items"]
    return entries[:-1]


async def test_every_change_leaves_one_entry_and_what_fails_none(plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    path = f"/api/v1/integrations/{integration_id}"
    await plane.call("PATCH", path, {"name": ""}, status=400)
    await plane.call("PATCH", path, {"name": "Complaints"})  # as it is
    await plane.call("POST", f"{path}/publish")
    await plane.call("PATCH", path, {"name": "Claims"})
    await plane.call("POST", f"{path}/discard-draft")
    event = f"/api/v1/business-events/{await plane.create_business_event(integration_id)}"
    await plane.call("POST", f"{event}/pause")
    await plane.call("POST", f"{event}/activate")
    await plane.call("DELETE", path, status=409)
    await plane.call("POST", f"{path}/unpublish")
    await plane.call("DELETE", f"{path}?withBusinessEvents=true", status=204)
    entries = await entries_of(plane)
    assert [(one["subjectKind"], one["action"]) for one in reversed(entries)] == [
        ("integration", "created"),
        ("integration", "published"),
        ("integration", "changed"),
        ("integration", "draft discarded"),
        ("business-event", "created"),
        ("business-event", "paused"),
        ("business-event", "activated"),
        ("integration", "unpublished"),
        ("business-event", "deleted"),
        ("integration", "deleted"),
    ]
    assert {one["userEmail"] for one in entries} == {EMAIL}
    assert entries[-3]["changes"] == {"draft.name": {"before": "Complaints", "after": "Claims"}}
    [paused] = [one for one in entries if one["action"] == "paused"]
    assert paused["changes"]["state"] == {"before": "active", "after": "paused"}


async def test_changes_of_keys_and_users_leave_entries_too(plane: ControlPlane) -> None:
    key = await plane.call("POST", "/api/v1/api-keys", {"name": "Shop"}, status=201)
    await plane.call("PATCH", f"/api/v1/api-keys/{key['id']}", {"name": "Portal"})
    await plane.call("DELETE", f"/api/v1/api-keys/{key['id']}", status=204)
    user = await plane.call("POST", "/api/v1/users", {"email": "b@example.com", "role": "viewer"}, status=201)
    await plane.call("PATCH", f"/api/v1/users/{user['id']}", {"role": "author"})
    await plane.call("DELETE", f"/api/v1/users/{user['id']}", status=204)
    entries = await entries_of(plane)
    assert [(one["subjectKind"], one["action"]) for one in reversed(entries)] == [
        ("signing-key", "created"),
        *(("api-key", action) for action in ("created", "changed", "revoked")),
        *(("user", action) for action in ("created", "changed", "deleted")),
    ]
    assert key["secret"] not in str(entries)
    assert user["password"] not in str(entries)


async def test_what_has_changed_is_named_as_in_the_api(plane: ControlPlane) -> None:
    path = f"/api/v1/integrations/{await plane.create_integration()}"
    await plane.call("PATCH", path, {"rateLimit": {"perSecond": 5, "burst": 5}})
    await plane.call("PATCH", "/api/v1/workspace", {"timeZone": "Europe/Warsaw"})
    workspace, integration, _ = await entries_of(plane)
    assert {"draft.rateLimit.perSecond", "draft.rateLimit.burst"} <= set(integration["changes"])
    assert "_" not in "".join(integration["changes"])
    assert set(workspace["changes"]) == {"timeZone"}


async def test_entries_are_found_by_their_subject(plane: ControlPlane) -> None:
    one, other = await plane.create_integration("one"), await plane.create_integration("other")
    found = await plane.call("GET", f"{LOG}?subjectId={one}")
    assert [entry["subjectName"] for entry in found["items"]] == ["one"]
    assert len((await plane.call("GET", f"{LOG}?subjectKind=integration&limit=1"))["items"]) == 1
    assert (await plane.call("GET", f"{LOG}?subjectKind=business-event"))["items"] == []
    assert other != one


async def test_secrets_are_masked(plane: ControlPlane) -> None:
    auth = {"kind": "meta", "appSecret": SECRET, "verifyToken": TOKEN}
    integration_id = await plane.create_integration(auth=auth)
    await plane.call("PATCH", f"/api/v1/integrations/{integration_id}", {"auth": {"kind": "meta", "appSecret": "x"}})
    await plane.call("POST", "/api/v1/users", {"email": "a@b", "role": "viewer", "password": PASSWORD}, status=201)
    key = await plane.call("POST", "/api/v1/api-keys", {"name": "k"}, status=201)
    answer = await plane.call("GET", LOG)
    shown = json.dumps(answer)
    for secret in (SECRET, TOKEN, PASSWORD, key["secret"], "argon2", "v1.", "PRIVATE"):
        assert secret not in shown
    [changed] = [one for one in answer["items"] if one["action"] == "changed"]
    assert changed["changes"] == {"draft.auth.appSecrets": {"before": "***", "after": "***"}}


# The same id, and the same row with another id.
REPLACED_ID = "INSERT OR REPLACE INTO audit_log SELECT * FROM audit_log LIMIT 1"
REPLACED_ROW = (
    "REPLACE INTO audit_log (rowid, id, workspace_id, at, user_email, action, subject_kind, subject_id, subject_name, "
    "changes) SELECT rowid, '01a20c53000070008000000000000009', workspace_id, at, user_email, action, subject_kind, "
    "subject_id, subject_name, changes FROM audit_log LIMIT 1"
)


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
@pytest.mark.parametrize("statement", [REPLACED_ID, REPLACED_ROW])
async def test_sqlite_refuses_to_replace_an_entry(plane: ControlPlane, tmp_path: Path, statement: str) -> None:
    await plane.create_integration()
    database = Database(settings(tmp_path).database)
    with pytest.raises(IntegrityError, match="append only"):
        async with database.writing() as connection:
            await connection.execute(text(statement))
    await database.close()


async def test_the_first_administrator_is_the_first_entry(plane: ControlPlane) -> None:
    [*_, first] = (await plane.call("GET", LOG))["items"]
    assert (first["action"], first["subjectKind"], first["subjectName"], first["userEmail"]) == (
        "created", "user", EMAIL, "system"
    )  # fmt: skip


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET user_email = 'x'", "DELETE FROM audit_log"])
async def test_the_database_itself_refuses_to_change_an_entry(
    plane: ControlPlane, tmp_path: Path, statement: str
) -> None:
    await plane.create_integration()
    database = Database(settings(tmp_path).database)
    with pytest.raises(IntegrityError, match="append only"):
        async with database.writing() as connection:
            await connection.execute(text(statement))
    await database.close()
