import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import msgspec
import msgspec.inspect
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from services.config.audit import subject_kinds
from services.config.identity import Permission
from tests.integration.config.control_plane import ControlPlane, serving, settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = {"name": "x", "auth": {"kind": "none"}}
JSON = {"content-type": "application/json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """One for the whole table: nothing in it leaves a trace."""
    async with serving(settings(tmp_path_factory.mktemp("config"))) as running:
        yield running


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        (b"", 400, [""]),
        (b"{", 400, [""]),
        (b"null", 400, [""]),
        (b"[]", 400, [""]),
        (b'"x"', 400, [""]),
        (b"{} {}", 400, [""]),
        (b'{"name": NaN}', 400, [""]),
        (b'{"name": "\\ud800", "auth": {"kind": "none"}}', 400, [""]),
        (b'{"name": "\xff", "auth": {"kind": "none"}}', 400, [""]),
        (b'{"name": ' + b"1" * 5000 + b"}", 400, [""]),
        (b"[" * 100_000, 400, [""]),
        (b"[" * 5000 + b"]" * 5000, 400, [""]),
        (b" " * (1024 * 1024 + 1), 413, []),
        (b"{}", 400, ["name"]),
        (json.dumps({"name": "x"}).encode(), 400, ["auth"]),
        (json.dumps({**GOOD, "name": None}).encode(), 400, ["name"]),
        (json.dumps({**GOOD, "name": 5}).encode(), 400, ["name"]),
        (json.dumps({**GOOD, "name": "\x00"}).encode(), 400, ["name"]),
        (json.dumps({**GOOD, "surprise": 5}).encode(), 400, ["surprise"]),
        (json.dumps({**GOOD, "auth": {}}).encode(), 400, ["auth.kind"]),
        (json.dumps({**GOOD, "auth": "none"}).encode(), 400, ["auth"]),
        (json.dumps({**GOOD, "auth": {"kind": "open"}}).encode(), 400, ["auth.kind"]),
        (json.dumps({**GOOD, "auth": {"kind": "jwt", "apiKeyId": "1"}}).encode(), 400, ["auth.apiKeyId"]),
        (json.dumps({**GOOD, "auth": {"kind": "jwt", "apiKeyId": str(UUID(int=1))}}).encode(), 400, ["auth.apiKeyId"]),
        (json.dumps({**GOOD, "auth": {"kind": "meta", "appSecret": "s"}}).encode(), 400, ["auth.verifyToken"]),
        (json.dumps({**GOOD, "auth": {"kind": "meta", "appSecret": ""}}).encode(), 400, ["auth.appSecret"]),
        (json.dumps({**GOOD, "rateLimit": {"perSecond": 0, "burst": 1}}).encode(), 400, ["rateLimit.perSecond"]),
        (json.dumps({**GOOD, "rateLimit": {"perSecond": 1, "burst": 0}}).encode(), 400, ["rateLimit.burst"]),
        (json.dumps({**GOOD, "deduplication": {}}).encode(), 400, ["deduplication.parameters"]),
        (
            json.dumps({**GOOD, "deduplication": {"parameters": ["body.a", 1]}}).encode(),
            400,
            ["deduplication.parameters[1]"],
        ),
        (
            json.dumps({**GOOD, "deduplication": {"parameters": ["body.a"], "onRedisDown": "wait"}}).encode(),
            400,
            ["deduplication.onRedisDown"],
        ),
    ],
)
async def test_what_is_no_integration_is_refused_and_located(
    plane: ControlPlane, body: bytes, status: int, fields: list[str]
) -> None:
    response = await plane.client.post("/api/v1/integrations", content=body, headers=JSON)
    answer = response.json()
    assert response.status_code == answer["status"] == status
    assert set(answer) == {"status", "error", "message", "errors"}
    assert [fault["field"] for fault in answer["errors"]] == fields
    assert (await plane.call("GET", "/api/v1/integrations"))["items"] == []


@pytest.mark.parametrize(
    "value", ["hidden", "hid 'den", "hid - den", "`$.hidden", "a' - at `$.hidden`", "`$.data.hidden`"]
)
@pytest.mark.parametrize(
    ("method", "path", "around", "field"),
    [
        ("POST", "/api/v1/integrations", lambda value: {**GOOD, "auth": {"kind": value}}, "auth.kind"),
        (
            "POST",
            "/api/v1/integrations",
            lambda value: {**GOOD, "deduplication": {"parameters": ["body.a"], "onRedisDown": value}},
            "deduplication.onRedisDown",
        ),
        ("POST", "/api/v1/users", lambda value: {"email": "a@b", "role": value}, "role"),
        ("POST", "/api/v1/users", lambda value: {"email": "a@b", "permissions": [value]}, "permissions[0]"),
        ("POST", "/api/v1/api-keys", lambda value: {"name": "x", "permissions": [value]}, "permissions[0]"),
        ("POST", "/api/v1/api-keys", lambda value: {"name": "x", "expiresAt": value}, "expiresAt"),
    ],
)
async def test_a_value_that_is_refused_is_located_and_not_repeated(
    plane: ControlPlane, method: str, path: str, around: Callable[[str], object], field: str, value: str
) -> None:
    answer = await plane.call(method, path, around(value), status=400)
    assert [fault["field"] for fault in answer["errors"]] == [field]
    assert "hid" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("path", "body", "field", "allowed"),
    [
        ("/api/v1/users", {"email": "a@b", "role": "x"}, "role", {"viewer", "author", "publisher", "administrator"}),
        ("/api/v1/users", {"email": "a@b", "permissions": ["ADMIN", "x"]}, "permissions[1]", set(Permission)),
        ("/api/v1/api-keys", {"name": "x", "permissions": ["x"]}, "permissions[0]", {"INCOMING_WEBHOOK_EXECUTE"}),
        ("/api/v1/integrations", {**GOOD, "auth": {"kind": "x"}}, "auth.kind", {"none", "jwt", "meta"}),
        (
            "/api/v1/integrations",
            {**GOOD, "deduplication": {"parameters": ["body.a"], "onRedisDown": "x"}},
            "deduplication.onRedisDown",
            {"reject", "accept"},
        ),
        ("/api/v1/dead-letters/replay", {"service": "x"}, "service", {"normalizer", "trigger"}),
        ("/api/v1/dead-letters?service=x", None, "service", {"normalizer", "trigger"}),
        ("/api/v1/audit-log?subjectKind=x", None, "subjectKind", set(subject_kinds())),
    ],
)
async def test_the_values_that_there_are_to_choose_from_are_named(
    plane: ControlPlane, path: str, body: object, field: str, allowed: set[str]
) -> None:
    answer = await plane.call("GET" if body is None else "POST", path, body, status=400)
    [fault] = answer["errors"]
    assert fault["field"] == field
    assert set(fault["message"].removeprefix("must be one of ").split(", ")) == allowed


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/v1/integrations", {**GOOD, "rateLimit": {"perSecond": "10", "burst": 1}}, "rateLimit.perSecond"),
        ("/api/v1/integrations", {**GOOD, "rateLimit": {"perSecond": 10, "burst": "1"}}, "rateLimit.burst"),
        ("/api/v1/integrations", {**GOOD, "auth": {"kind": "meta", "splitBatches": "true"}}, "auth.splitBatches"),
        ("/api/v1/integrations", {**GOOD, "auth": {"kind": "meta", "splitBatches": 1}}, "auth.splitBatches"),
        ("/api/v1/api-keys", {"name": "x", "expiresAt": 1_900_000_000}, "expiresAt"),
    ],
)
async def test_a_value_of_another_type_is_refused_also_where_it_could_be_read_as_the_right_one(
    plane: ControlPlane, path: str, body: object, field: str
) -> None:
    answer = await plane.call("POST", path, body, status=400)
    assert [fault["field"] for fault in answer["errors"]] == [field]
    assert answer["errors"][0]["message"].startswith("Expected ")


async def test_a_query_that_is_not_known_is_told_which_there_are(plane: ControlPlane) -> None:
    [fault] = (await plane.call("GET", "/api/v1/integrations?serch=x", status=400))["errors"]
    assert fault == {"field": "serch", "message": "is not a known parameter: there are limit, cursor, search"}
    [fault] = (await plane.call("GET", "/api/v1/me?x", status=400))["errors"]
    assert fault == {"field": "x", "message": "is not a known parameter: there are none here"}


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("integrations/x", "integration"),
        ("integrations/x/capture", "integration"),
        ("business-events/x", "Business Event"),
        ("api-keys/x", "API key"),
        ("users/x", "user"),
        ("events/x/explain", "event"),
    ],
)
async def test_what_does_not_exist_is_named_also_where_the_id_is_none(
    plane: ControlPlane, path: str, named: str
) -> None:
    answer = await plane.call("GET", f"/api/v1/{path}", status=404)
    assert answer["message"].startswith(f"There is no such {named}")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_that_does_not_say_that_it_is_json_is_refused(plane: ControlPlane, content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = await plane.client.post("/api/v1/integrations", content=json.dumps(GOOD), headers=headers)
    assert (response.status_code, response.json()["error"]) == (415, "Unsupported Media Type")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("cursor=x", "cursor"),
        ("integrationId=x", "integrationId"),
        ("integrationID=x", "integrationID"),
        ("limit=1&integration_id=x", "integration_id"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_a_bad_query_is_refused_and_located(plane: ControlPlane, query: str, field: str) -> None:
    answer = await plane.call("GET", f"/api/v1/business-events?{query}", status=400)
    assert [fault["field"] for fault in answer["errors"]] == [field]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/", 404),
        ("GET", "/api/v1", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/integrations/not-a-uuid", 404),
        ("GET", "/api/v1/integrations/01a20c53-527b-7133-8e4c-12cf2b8e8cb8", 404),
        ("GET", "/schema/nothing", 404),
        ("PUT", "/api/v1/integrations", 405),
        ("GET", "/api/v1/session", 405),
    ],
)
async def test_what_does_not_exist_is_answered_in_the_same_shape(
    plane: ControlPlane, method: str, path: str, status: int
) -> None:
    answer = await plane.call(method, path, status=status)
    assert set(answer) == {"status", "error", "message", "errors"}
    assert answer["status"] == status


async def test_the_description_of_the_api_names_every_route_with_a_summary(plane: ControlPlane) -> None:
    description = await plane.call("GET", "/schema")
    operations = [operation for path in description["paths"].values() for operation in path.values()]
    assert len(operations) == 49
    assert all(operation["summary"] for operation in operations)


def structs_in(kind: object) -> set[type[msgspec.Struct]]:
    """Every struct that is decoded where this type is."""
    found: set[type[msgspec.Struct]] = set()

    def look(at: Any) -> None:  # noqa: ANN401  a type as msgspec describes it
        if isinstance(at, msgspec.inspect.StructType):
            if at.cls in found:
                return
            found.add(at.cls)
        for field in getattr(at, "fields", ()):
            look(field.type)
        for inner in (*getattr(at, "types", ()), getattr(at, "type", None), getattr(at, "item_type", None)):
            if inner is not None:
                look(inner)

    look(msgspec.inspect.type_info(kind))
    return found


async def test_nothing_can_be_set_by_a_field_that_a_body_does_not_have(plane: ControlPlane) -> None:
    bodies = [
        handler.parsed_data_field.annotation
        for route in plane.app.routes
        if isinstance(route, HTTPRoute)
        for handler, _ in route.route_handler_map.values()
        if handler.parsed_data_field is not None
    ]
    taken = {struct for body in bodies for struct in structs_in(body)}
    assert len(taken) > len(set(bodies)) > 10
    assert {struct.__name__ for struct in taken if not struct.__struct_config__.forbid_unknown_fields} == set()


async def test_a_compressed_body_is_not_unpacked(plane: ControlPlane) -> None:
    headers = {**JSON, "content-encoding": "gzip"}
    content = gzip.compress(json.dumps(GOOD).encode())
    answer = await plane.client.post("/api/v1/integrations", content=content, headers=headers)
    assert answer.status_code == 400
