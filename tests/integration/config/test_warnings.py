"""What people are told about something that works as it is written, and does not do what is wanted."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, event

from tests.integration.config.control_plane import ControlPlane, above_the_store, serving, settings

pytestmark = above_the_store


INTEGRATIONS = "/api/v1/integrations"
KEYS = "/api/v1/api-keys"
REVOKED = {"field": "auth.apiKeyId", "message": "is revoked: every request is answered 403"}
EXPIRED = {"field": "auth.apiKeyId", "message": "has expired: every request is answered 403"}
LACKING = {
    "field": "auth.apiKeyId",
    "message": "lacks the permission INCOMING_WEBHOOK_EXECUTE: every request is answered 403",
}


async def make_key(plane: ControlPlane, **fields: object) -> str:
    return str((await plane.call("POST", KEYS, {"name": "k", **fields}, status=201))["id"])


async def integration_with(plane: ControlPlane, key_id: str) -> str:
    return await plane.create_integration(auth={"kind": "jwt", "apiKeyId": key_id})


async def warnings_of(plane: ControlPlane, *integration_ids: str) -> list[object]:
    """Of each, as the list and as its own answer tell them, which is the same."""
    listed = {one["id"]: one["warnings"] for one in (await plane.call("GET", INTEGRATIONS))["items"]}
    alone = {one: (await plane.call("GET", f"{INTEGRATIONS}/{one}"))["warnings"] for one in integration_ids}
    assert alone == {one: listed[one] for one in integration_ids}
    return [listed[one] for one in integration_ids]


async def test_a_revoked_api_key_is_warned_of_wherever_its_integration_is_shown(plane: ControlPlane) -> None:
    good, bad = await make_key(plane), await make_key(plane)
    ids = [await integration_with(plane, good), await integration_with(plane, bad), await plane.create_integration()]
    path = f"{INTEGRATIONS}/{ids[1]}"
    await plane.call("POST", f"{path}/publish")
    assert await warnings_of(plane, *ids) == [[], [], []]
    await plane.call("DELETE", f"{KEYS}/{bad}", status=204)
    assert await warnings_of(plane, *ids) == [[], [REVOKED], []]
    assert (await plane.call("PATCH", path, {"name": "Claims"}))["warnings"] == [REVOKED]
    assert (await plane.call("POST", f"{path}/unpublish"))["warnings"] == [REVOKED]


async def test_a_revoked_key_of_what_is_live_is_warned_of_until_another_one_is_published(plane: ControlPlane) -> None:
    key_id = await make_key(plane)
    path = f"{INTEGRATIONS}/{await integration_with(plane, key_id)}"
    await plane.call("POST", f"{path}/publish")
    await plane.call("DELETE", f"{KEYS}/{key_id}", status=204)
    changes = {"auth": {"kind": "jwt", "apiKeyId": await make_key(plane)}}
    changed = await plane.call("PATCH", path, changes)
    assert changed["warnings"] == [{**REVOKED, "field": "published.auth.apiKeyId"}]
    assert (await plane.call("POST", f"{path}/publish"))["warnings"] == []


async def test_an_api_key_without_the_permission_to_send_is_warned_of(plane: ControlPlane) -> None:
    key_id = await make_key(plane, permissions=[])
    integration_id = await integration_with(plane, key_id)
    assert await warnings_of(plane, integration_id) == [[LACKING]]
    await plane.call("PATCH", f"{KEYS}/{key_id}", {"permissions": ["INCOMING_WEBHOOK_EXECUTE"]})
    assert await warnings_of(plane, integration_id) == [[]]


async def test_an_api_key_that_has_expired_is_warned_of(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    expiry = now + timedelta(hours=1)
    async with serving(settings(tmp_path), lambda: now) as plane:
        integration_id = await integration_with(plane, await make_key(plane, expiresAt=expiry.isoformat()))
        assert await warnings_of(plane, integration_id) == [[]]
        now = expiry
        assert await warnings_of(plane, integration_id) == [[EXPIRED]]


async def test_a_user_without_access_is_warned_of_until_they_have_it(plane: ControlPlane) -> None:
    given = {"email": "jane@example.com", "permissions": ["INTEGRATIONS_READ", "ADMIN"]}
    made = await plane.call("POST", "/api/v1/users", given, status=201)
    lacking = {"field": "permissions", "message": "lack AUTOMATION_ACCESS: without it nothing is allowed"}
    path = f"/api/v1/users/{made['id']}"
    assert made["warnings"] == (await plane.call("GET", path))["warnings"] == [lacking]
    assert (await plane.call("PATCH", path, {"role": "viewer"}))["warnings"] == []


async def test_an_api_key_of_no_use_is_warned_of_where_it_is_made(plane: ControlPlane) -> None:
    made = await plane.call("POST", KEYS, {"name": "k", "permissions": []}, status=201)
    message = "lack INCOMING_WEBHOOK_EXECUTE: every request with a token of this key is answered 403"
    assert made["warnings"] == [{"field": "permissions", "message": message}]
    path = f"{KEYS}/{made['id']}"
    assert (await plane.call("PATCH", path, {"permissions": ["INCOMING_WEBHOOK_EXECUTE"]}))["warnings"] == []


@contextmanager
def counting_statements() -> Iterator[list[str]]:
    statements: list[str] = []

    def count(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", count)


async def test_a_list_asks_for_all_its_api_keys_at_once(plane: ControlPlane) -> None:
    for number in range(5):
        await integration_with(plane, await make_key(plane, name=f"k{number}"))
    asked = {}
    for limit in (1, 5):
        with counting_statements() as statements:
            await plane.call("GET", f"{INTEGRATIONS}?limit={limit}")
        asked[limit] = [one for one in statements if "FROM api_keys" in one]
    assert [len(one) for one in asked.values()] == [1, 1]
