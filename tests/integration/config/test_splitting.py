"""`splitBatches` of integrations for Meta: kept, shown, and on its way to the services that split."""

from pathlib import Path

import pytest

from libs.messages import Deduplication, Integration, MetaAuth, decode_definition
from tests.integration.config.control_plane import ControlPlane, above_the_store
from tests.integration.config.topic import pending

pytestmark = above_the_store

META = {"kind": "meta", "appSecret": "s", "verifyToken": "v"}
BY_MESSAGE = {"parameters": ["body.entry.0.changes.0.value.messages.0.id"]}


async def create(plane: ControlPlane, **fields: object) -> str:
    return f"/api/v1/integrations/{await plane.create_integration('Pages', **{'auth': META} | fields)}"


async def splits(plane: ControlPlane, path: str, changes: object) -> bool:
    return bool((await plane.call("PATCH", path, changes))["auth"]["splitBatches"])


async def test_batches_are_split_only_if_that_is_asked_for(plane: ControlPlane) -> None:
    whole, split = await create(plane), await create(plane, auth={**META, "splitBatches": True})
    assert (await plane.call("GET", whole))["auth"]["splitBatches"] is False
    assert (await plane.call("GET", split))["auth"]["splitBatches"] is True


async def test_a_change_of_something_else_leaves_it_as_it_is(plane: ControlPlane) -> None:
    path = await create(plane)
    assert await splits(plane, path, {"auth": {"kind": "meta", "splitBatches": True}})
    assert await splits(plane, path, {"auth": {"kind": "meta", "appSecret": "t", "keepPreviousAppSecret": True}})
    assert await splits(plane, path, {"name": "Pages"})
    assert not await splits(plane, path, {"auth": {"kind": "meta", "splitBatches": False}})
    assert not await splits(plane, path, {"auth": {"kind": "meta"}})


async def test_only_integrations_for_meta_have_batches(plane: ControlPlane) -> None:
    body = {"name": "x", "auth": {"kind": "none", "splitBatches": True}}
    refused = await plane.call("POST", "/api/v1/integrations", body, status=400)
    assert [fault["field"] for fault in refused["errors"]] == ["auth.splitBatches"]


@pytest.mark.parametrize("chosen", [True, False])
async def test_the_published_definition_says_whether_batches_are_split(
    plane: ControlPlane, tmp_path: Path, *, chosen: bool
) -> None:
    path = await create(plane, auth={**META, "splitBatches": chosen}, deduplication=BY_MESSAGE)
    await plane.call("POST", f"{path}/publish")
    key = path.removeprefix("/api/v1/integrations/")
    [value] = [record.value for record in await pending(tmp_path) if record.key == f"integration/{key}"]
    published = decode_definition((value or "").encode())
    assert isinstance(published, Integration)
    assert isinstance(published.auth, MetaAuth)
    assert published.auth.split_batches is chosen
    assert published.deduplication == Deduplication(parameters=(BY_MESSAGE["parameters"][0],))


async def test_parameters_that_cannot_tell_parts_apart_are_taken_with_a_warning(plane: ControlPlane) -> None:
    rules = {"parameters": ["body.object", "body.entry.0.changes.1.value.id"], "onRedisDown": "accept"}
    path = await create(plane, auth={**META, "splitBatches": True}, deduplication=rules)
    warned = (await plane.call("GET", path))["warnings"]
    assert [fault["field"] for fault in warned] == ["deduplication.parameters[1]", "deduplication.parameters"]
    changed = await plane.call("PATCH", path, {"deduplication": BY_MESSAGE})
    assert [fault["field"] for fault in changed["warnings"]] == ["deduplication.onRedisDown"]
    accepting = {"deduplication": {**BY_MESSAGE, "onRedisDown": "accept"}}
    assert (await plane.call("PATCH", path, accepting))["warnings"] == []
