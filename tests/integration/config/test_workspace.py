"""The workspace itself: its name and its time zone, which the filters of its Business Events are matched in."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from services.config.store.database import Database
from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane, serving, settings
from tests.integration.config.test_workspaces import become_a_neighbour
from tests.integration.config.topic import pending

WORKSPACE = "/api/v1/workspace"
OTHER = "other@example.com"


async def outbox(folder: Path, skip: int = 0) -> list[tuple[str, Mapping[str, object]]]:
    return [(one.key, json.loads(one.value or "null")) for one in (await pending(folder))[skip:]]


async def test_a_workspace_is_read_and_changed(plane: ControlPlane) -> None:
    before = await plane.call("GET", WORKSPACE)
    assert before == {"id": before["id"], "name": "Workspace", "timeZone": "UTC"}
    renamed = await plane.call("PATCH", WORKSPACE, {"name": " Acme "})
    assert renamed == {**before, "name": "Acme"}
    moved = await plane.call("PATCH", WORKSPACE, {"timeZone": "Europe/Warsaw"})
    assert moved == {**renamed, "timeZone": "Europe/Warsaw"}
    assert await plane.call("GET", WORKSPACE) == moved == (await plane.call("GET", "/api/v1/me"))["workspace"]


async def test_another_time_zone_is_told_of_every_business_event_and_of_nothing_else(
    plane: ControlPlane, tmp_path: Path
) -> None:
    integration_id = await plane.create_integration()
    await plane.call("POST", f"/api/v1/integrations/{integration_id}/publish")
    ids = [await plane.create_business_event(integration_id, name) for name in ("one", "two")]
    await plane.call("POST", f"/api/v1/business-events/{ids[1]}/pause")
    before = await outbox(tmp_path)
    await plane.call("PATCH", WORKSPACE, {"name": "Acme"})
    await plane.call("PATCH", WORKSPACE, {"timeZone": "UTC"})
    assert await outbox(tmp_path) == before
    await plane.call("PATCH", WORKSPACE, {"timeZone": "Asia/Tokyo"})
    told = await outbox(tmp_path, len(before))
    assert [key for key, _ in told] == [f"business-event/{one}" for one in ids]
    last = {**dict(before), **dict(told)}
    for key, value in told:
        assert value == {**dict(before)[key], "timeZone": "Asia/Tokyo"}
    assert [last[f"business-event/{one}"]["state"] for one in ids] == ["active", "paused"]
    later = await plane.create_business_event(integration_id, "three")
    assert (await outbox(tmp_path))[-1] == (f"business-event/{later}", {**told[0][1], "id": later, "name": "three"})


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_a_time_zone_that_cannot_be_told_is_not_stored(plane: ControlPlane, tmp_path: Path) -> None:
    await plane.create_business_event(await plane.create_integration())
    database = Database(settings(tmp_path).database)
    refuse = "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END"
    async with database.writing() as connection:
        await connection.execute(text(refuse))
    await database.close()
    await plane.call("PATCH", WORKSPACE, {"timeZone": "Asia/Tokyo"}, status=500)
    assert (await plane.call("GET", WORKSPACE))["timeZone"] == "UTC"
    assert (await plane.call("GET", "/api/v1/audit-log?subjectKind=workspace"))["items"] == []


async def test_filters_are_tried_in_the_time_zone_of_the_workspace(tmp_path: Path) -> None:
    late = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    trial = {
        "where": {"param": "body.day", "type": "date", "operator": "MATCHES_CURRENT_DAY"},
        "sample": {"body": {"day": "2026-02-01"}},
    }
    async with serving(settings(tmp_path), lambda: late) as plane:
        assert (await plane.call("POST", "/api/v1/business-events/test", trial))["matched"] is False
        await plane.call("PATCH", WORKSPACE, {"timeZone": "Europe/Warsaw"})
        assert (await plane.call("POST", "/api/v1/business-events/test", trial))["matched"] is True


@pytest.mark.parametrize(
    "zone",
    ["", "Warsaw", "europe/warsaw", " UTC", "+01:00", "Europe", "localtime", "Factory", "posixrules", "../zones", "\0"],
)
async def test_what_is_no_time_zone_is_refused_and_located_with_every_other_fault(
    plane: ControlPlane, zone: str
) -> None:
    refused = await plane.call("PATCH", WORKSPACE, {"name": "", "timeZone": zone}, status=400)
    assert [fault["field"] for fault in refused["errors"]] == ["name", "timeZone"]
    assert (await plane.call("GET", WORKSPACE))["timeZone"] == "UTC"


async def test_a_change_of_a_workspace_is_in_the_audit_log(plane: ControlPlane) -> None:
    await plane.call("PATCH", WORKSPACE, {"timeZone": "Asia/Tokyo"})
    await plane.call("PATCH", WORKSPACE, {"timeZone": "Asia/Tokyo"})
    [entry] = (await plane.call("GET", "/api/v1/audit-log?subjectKind=workspace"))["items"]
    assert (entry["action"], entry["userEmail"], entry["subjectName"]) == ("changed", EMAIL, "Workspace")
    assert entry["changes"] == {"timeZone": {"before": "UTC", "after": "Asia/Tokyo"}}


async def test_of_a_workspace_too_nobody_overwrites_what_they_have_not_seen(plane: ControlPlane) -> None:
    async def patch(name: str, if_match: str | None = None) -> int:
        headers = {} if if_match is None else {"if-match": if_match}
        return (await plane.client.patch(WORKSPACE, json={"name": name}, headers=headers)).status_code

    old = (await plane.client.get(WORKSPACE)).headers["etag"]
    assert await patch("Acme", old) == 200
    assert await patch("Acme Inc.", old) == 412
    user = {"email": OTHER, "password": PASSWORD, "role": "administrator"}
    await plane.call("POST", "/api/v1/users", user, status=201)
    await plane.log_in(OTHER)
    assert await patch("Mine") == 428
    assert await patch("Mine", (await plane.client.get(WORKSPACE)).headers["etag"]) == 200


async def test_a_neighbour_changes_their_own_workspace_only(plane: ControlPlane, tmp_path: Path) -> None:
    before = await plane.call("GET", WORKSPACE)
    await plane.create_business_event(await plane.create_integration())
    stored = await outbox(tmp_path)
    await become_a_neighbour(plane, tmp_path)
    changed = await plane.call("PATCH", WORKSPACE, {"name": "Theirs", "timeZone": "Asia/Tokyo"})
    assert changed["id"] != before["id"]
    assert await outbox(tmp_path) == stored
    await plane.log_in(EMAIL)
    assert await plane.call("GET", WORKSPACE) == before
    assert (await plane.call("GET", "/api/v1/audit-log?subjectKind=workspace"))["items"] == []
