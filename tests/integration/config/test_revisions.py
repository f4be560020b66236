"""Two authors never overwrite each other without noticing."""

import asyncio
from typing import Any

import pytest

from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane

OTHER = "other@example.com"


async def etag_of(plane: ControlPlane, path: str) -> str:
    return str((await plane.client.get(path)).headers["etag"])


async def patch(plane: ControlPlane, path: str, name: str, if_match: str | None = None) -> int:
    headers = {} if if_match is None else {"if-match": if_match}
    return (await plane.client.patch(path, json={"name": name}, headers=headers)).status_code


async def things(plane: ControlPlane) -> list[str]:
    integration_id = await plane.create_integration()
    key: Any = await plane.call("POST", "/api/v1/api-keys", {"name": "k"}, status=201)
    event_id = await plane.create_business_event(integration_id)
    return [
        f"/api/v1/integrations/{integration_id}",
        f"/api/v1/business-events/{event_id}",
        f"/api/v1/api-keys/{key['id']}",
    ]


async def test_a_change_for_a_state_that_is_no_more_is_refused(plane: ControlPlane) -> None:
    for path in await things(plane):
        old = await etag_of(plane, path)
        assert await patch(plane, path, "second", old) == 200
        assert await etag_of(plane, path) != old
        assert await patch(plane, path, "third", old) == 412
        assert (await plane.client.delete(path, headers={"if-match": old})).status_code == 412
        assert (await plane.call("GET", path))["name"] == "second"
        assert await patch(plane, path, "third", f"{old}, {await etag_of(plane, path)}") == 200
        assert await patch(plane, path, "fourth", "*") == 200


@pytest.mark.parametrize("header", ["", "1", '"x"', '"1" "2"', "*, *"])
async def test_what_is_no_entity_tag_is_refused(plane: ControlPlane, header: str) -> None:
    path = f"/api/v1/integrations/{await plane.create_integration()}"
    assert await patch(plane, path, "x", header) == 400


async def test_what_somebody_else_has_changed_last_is_not_changed_unseen(plane: ControlPlane) -> None:
    paths = await things(plane)
    user = {"email": OTHER, "password": PASSWORD, "role": "administrator"}
    await plane.call("POST", "/api/v1/users", user, status=201)
    await plane.log_in(OTHER)
    for path in paths:
        assert await patch(plane, path, "mine") == 428
        assert await patch(plane, path, "mine", await etag_of(plane, path)) == 200
        assert await patch(plane, path, "mine again") == 200
    await plane.log_in(EMAIL)
    for path in paths:
        assert await patch(plane, path, "no, mine") == 428


async def test_what_somebody_else_has_changed_last_does_not_go_live_or_away_unseen(plane: ControlPlane) -> None:
    integration, event, _ = await things(plane)
    user = {"email": OTHER, "password": PASSWORD, "role": "administrator"}
    await plane.call("POST", "/api/v1/users", user, status=201)
    await plane.call("POST", f"{integration}/publish")
    await plane.call("PATCH", integration, {"name": "theirs"})
    await plane.log_in(OTHER)
    posts = [*(f"{integration}/{one}" for one in ("publish", "unpublish", "discard-draft")), f"{event}/pause"]
    for path in posts:
        assert (await plane.client.post(path)).status_code == 428, path
    for path in (event, integration):
        assert (await plane.client.delete(path)).status_code == 428
    old = await etag_of(plane, integration)
    assert (await plane.client.post(f"{integration}/publish", headers={"if-match": old})).status_code == 200
    assert (await plane.client.post(f"{integration}/unpublish", headers={"if-match": old})).status_code == 412
    old = await etag_of(plane, event)
    assert (await plane.client.post(f"{event}/pause", headers={"if-match": old})).status_code == 200
    assert (await plane.client.post(f"{event}/activate", headers={"if-match": old})).status_code == 412
    assert (await plane.client.delete(event, headers={"if-match": "*"})).status_code == 204


async def test_of_two_changes_of_one_state_exactly_one_is_made(plane: ControlPlane) -> None:
    path = f"/api/v1/integrations/{await plane.create_integration()}"
    tag = await etag_of(plane, path)
    answers = await asyncio.gather(*(patch(plane, path, f"name {i}", tag) for i in range(5)))
    assert sorted(answers) == [200, 412, 412, 412, 412]


async def test_a_discarded_draft_is_what_is_live_again(plane: ControlPlane) -> None:
    path = f"/api/v1/integrations/{await plane.create_integration()}"
    await plane.call("POST", f"{path}/discard-draft", status=409)
    await plane.call("POST", f"{path}/publish")
    changed = await plane.call("PATCH", path, {"name": "Claims"})
    assert (changed["name"], changed["published"]["name"]) == ("Claims", "Complaints")
    discarded = await plane.call("POST", f"{path}/discard-draft")
    assert (discarded["name"], discarded["hasUnpublishedChanges"]) == ("Complaints", False)


async def test_a_user_is_not_changed_or_deleted_by_who_has_seen_another_state(plane: ControlPlane) -> None:
    body = {"email": "user@example.com", "password": PASSWORD, "role": "viewer"}
    made = await plane.client.post("/api/v1/users", json=body)
    path, old = f"/api/v1/users/{made.json()['id']}", made.headers["etag"]
    other = {"email": OTHER, "password": PASSWORD, "role": "administrator"}
    await plane.call("POST", "/api/v1/users", other, status=201)

    changed = await plane.client.patch(path, json={"role": "author"}, headers={"if-match": old})
    assert (changed.status_code, changed.headers["etag"]) == (200, await etag_of(plane, path))
    assert (await plane.client.patch(path, json={"role": "viewer"}, headers={"if-match": old})).status_code == 412
    assert (await plane.client.delete(path, headers={"if-match": old})).status_code == 412
    await plane.log_in(OTHER)
    assert (await plane.client.patch(path, json={"role": "viewer"})).status_code == 428
    assert (await plane.call("GET", path))["role"] == "author"
    assert (await plane.client.patch(path, json={"role": "viewer"}, headers={"if-match": "*"})).status_code == 200


async def test_a_password_of_one_s_own_is_in_nobody_s_way(plane: ControlPlane) -> None:
    body = {"email": OTHER, "password": PASSWORD, "role": "administrator"}
    path = f"/api/v1/users/{(await plane.call('POST', '/api/v1/users', body, status=201))['id']}"
    await plane.log_in(OTHER)
    await plane.call("PATCH", "/api/v1/me", {"currentPassword": PASSWORD, "password": f"new {PASSWORD}"}, status=204)
    await plane.log_in(EMAIL)
    assert (await plane.call("PATCH", path, {"role": "viewer"}))["role"] == "viewer"
