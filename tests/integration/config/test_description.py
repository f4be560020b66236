"""The description of the API, taken at its word: whatever it allows is answered as it says, and never with a fault."""

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, Response
from schemathesis.core import NotSet
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from tests.integration.config.control_plane import ControlPlane
from tests.integration.config.test_users import OPEN, OTHER, SIGNED_IN, make_user

sqlite = pytest.mark.parametrize("server", ["sqlite"], indirect=True)

EXAMPLES = 12
JSON = {"content-type": "application/json"}
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
]


async def described(plane: ControlPlane) -> Mapping[str, Any]:
    description: Mapping[str, Any] = await plane.call("GET", "/schema/openapi.json")
    return description


def operations(description: Mapping[str, Any]) -> list[Any]:
    """The operations, for schemathesis."""
    found = schemathesis.openapi.from_dict(dict(description)).get_all_operations()
    return [one.ok() for one in found if isinstance(one, Ok)]


def operations_of(description: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    """Each operation, with its method and path."""
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield (method.upper(), path), operation


def all_operations(description: Mapping[str, Any]) -> list[Any]:
    """The operations, for schemathesis."""
    found = schemathesis.openapi.from_dict(dict(description)).get_all_operations()
    return [one.ok() for one in found if isinstance(one, Ok)]


def runnable(description: Mapping[str, Any]) -> list[Any]:
    """Those that neither would end the session, nor wait for a capture, nor ask Kafka."""
    return [
        one
        for one in all_operations(description)
        if (one.method.upper(), one.path) != ("DELETE", "/api/v1/session")
        and "stream" not in one.path
        and "explain" not in one.path
        and "dead-letters" not in one.path
    ]


def cases_of(operation: Any, count: int = EXAMPLES) -> list[Case[Any]]:  # noqa: ANN401  no public type for it
    """Requests to one operation, as its description allows them."""
    found: list[Case[Any]] = []

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy())
    def collect(case: Case[Any]) -> None:
        found.append(case)

    collect()
    return found


async def send(plane: ControlPlane, case: Case[Any], headers: Mapping[str, str] = JSON) -> httpx.Response | None:
    """The answer, which is as the description says; or None where the request cannot be put on the wire."""
    body = None if isinstance(case.body, NotSet | bytes) else json.dumps(case.body)
    query = {name: str(value) for name, value in (case.query or {}).items()}
    given = {name: value for name, value in (case.headers or {}).items() if name.lower() == "if-match"}
    try:
        answer = await plane.client.request(
            case.method, case.formatted_path, params=query, content=body, headers={**given, **headers}
        )
    except (ValueError, UnicodeError, httpx.InvalidURL):
        return None
    assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, f"{case.method} {case.formatted_path} {case.body!r}"
    # The schema of a stream is that of its text; schemathesis would take it for the schema of each event.
    is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
    checks = CHECKS if is_stream else [*CHECKS, response_schema_conformance]
    case.validate_response(Response.from_httpx(answer, verify=False), checks=checks)
    return answer


@sqlite
async def test_every_request_that_the_description_allows_is_answered_as_it_says(plane: ControlPlane) -> None:
    called = runnable(await described(plane))
    sent = 0
    for operation in called:
        for case in cases_of(operation):
            sent += await send(plane, case) is not None
    assert sent > 5 * len(called)


@sqlite
async def test_every_refusal_is_one_that_the_description_has(plane: ControlPlane) -> None:
    cases = [case for operation in runnable(await described(plane)) for case in cases_of(operation, 1)]
    await make_user(plane, permissions=["AUTOMATION_ACCESS"])
    seen: set[int] = set()

    async def send_all(headers: Mapping[str, str]) -> None:
        seen.update([answer.status_code for case in cases if (answer := await send(plane, case, headers))])

    await send_all({"content-type": "text/plain"})
    await plane.log_in(OTHER)
    await send_all(JSON)
    del plane.client.headers["authorization"]
    await send_all(JSON)
    assert seen >= {400, 401, 403, 404, 415}


@sqlite
async def test_the_description_is_valid(plane: ControlPlane) -> None:
    description = await described(plane)
    assert description["openapi"].startswith("3.1.")
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(description)] == []
    identifiers = [operation["operationId"] for _, operation in operations_of(description)]
    assert len(identifiers) == len(set(identifiers)) == 49


def contents_of(operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What an operation takes and answers."""
    success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    contents = [*operation.get("requestBody", {}).get("content", {}).values(), *success.get("content", {}).values()]
    found: list[Mapping[str, Any]] = contents
    return found


@sqlite
async def test_every_operation_is_told_with_an_example_of_all_that_it_takes_and_answers(plane: ControlPlane) -> None:
    description = await described(plane)
    for route, operation in operations_of(description):
        contents = contents_of(operation)
        assert operation["summary"], route
        assert operation["description"], route
        assert all("example" in content for content in contents), route
        assert contents or "204" in operation["responses"], route


@sqlite
async def test_every_example_is_what_its_schema_describes(plane: ControlPlane) -> None:
    description = await described(plane)
    errors = description["components"]["responses"].values()
    contents = [content for _, operation in operations_of(description) for content in contents_of(operation)]
    contents += [error["content"]["application/json"] for error in errors]
    for content in contents:
        schema = {**content["schema"], "components": description["components"]}
        jsonschema_rs.validator_for(schema, validate_formats=True).validate(content["example"])
    assert len(contents) >= 60


@sqlite
async def test_schemas_have_short_names_and_call_fields_as_json_does(plane: ControlPlane) -> None:
    schemas = (await described(plane))["components"]["schemas"]
    assert not [name for name in schemas if "." in name]
    both = ("NoAuth", "JwtAuth", "MetaAuth", "Deduplication", "RateLimit")
    assert {*both, *(f"{name}Answer" for name in both)} <= set(schemas)
    assert "`timeZone`" in schemas["WorkspaceChanges"]["description"]
    assert not [name for name, schema in schemas.items() if re.search(r"`[a-z]+_[a-z_]+`", schema["description"])]
    assert schemas["NewIntegration"]["additionalProperties"] is False
    assert schemas["IntegrationAnswer"]["properties"]["createdAt"] == {"type": "string", "format": "date-time"}


@sqlite
async def test_what_an_operation_needs_is_in_its_description(plane: ControlPlane) -> None:
    session: list[dict[str, list[str]]] = [{"session": []}, {"sessionCookie": []}]
    permitted = set()
    for route, operation in operations_of(await described(plane)):
        permissions = operation["x-permissions"]
        assert all(f"`{permission}`" in operation["description"] for permission in permissions)
        assert ("403" in operation["responses"]) is bool(permissions), route
        if permissions:
            permitted.add(route)
            assert permissions[0] == "AUTOMATION_ACCESS"
        if route in OPEN:
            assert operation["security"] == ([{"token": []}] if "refresh" in route[1] else []), route
            assert permissions == [], route
        else:
            assert operation["security"] == session, route
            assert bool(permissions) is (route not in SIGNED_IN), route
            assert "401" in operation["responses"], route
    assert len(permitted) > 30


CHANGE = "/api/v1/integrations/{integration_id}"
WITH_BODY = {"400", "413", "415"}
WITH_SESSION = {"400", "401", "503"}
WITH_PERMISSION = WITH_SESSION | {"403"}


@sqlite
@pytest.mark.parametrize(
    ("route", "failures"),
    [
        (("GET", "/.well-known/jwks.json"), {"503"}),
        (("POST", "/api/v1/session"), WITH_BODY | WITH_SESSION | {"429"}),
        (("GET", "/uauth/v2/auth/refresh/profile"), {"401", "429", "503"}),
        (("GET", "/api/v1/me"), WITH_SESSION),
        (("GET", "/api/v1/integrations"), WITH_PERMISSION),
        (("GET", CHANGE), WITH_PERMISSION | {"404"}),
        (("PATCH", CHANGE), WITH_PERMISSION | WITH_BODY | {"404", "412", "428"}),
        (("DELETE", CHANGE), WITH_PERMISSION | {"400", "404", "409", "412", "428"}),
        (("POST", f"{CHANGE}/publish"), WITH_PERMISSION | {"400", "404", "412", "428"}),
        (("POST", f"{CHANGE}/discard-draft"), WITH_PERMISSION | {"400", "404", "409", "412", "428"}),
        (("PATCH", "/api/v1/users/{user_id}"), WITH_PERMISSION | WITH_BODY | {"404", "409", "412", "428"}),
    ],
)
async def test_the_error_answers_of_a_route_are_those_that_it_can_give(
    plane: ControlPlane, route: tuple[str, str], failures: set[str]
) -> None:
    operation = dict(operations_of(await described(plane)))[route]
    assert {status for status in operation["responses"] if not status.startswith("2")} == failures


@sqlite
async def test_headers_that_a_client_needs_are_described(plane: ControlPlane) -> None:
    description = await described(plane)
    answers = description["components"]["responses"]
    assert {name: list(one["headers"]) for name, one in answers.items() if one["headers"]} == {
        "Unauthorized": ["WWW-Authenticate"],
        "TooManyRequests": ["Retry-After"],
        "ServiceUnavailable": ["Retry-After"],
    }
    for (method, path), operation in operations_of(description):
        takes_if_match = any(one["name"] == "If-Match" for one in operation["parameters"])
        if takes_if_match and method != "DELETE":
            assert "ETag" in operation["responses"]["200"]["headers"], path
    assert "Set-Cookie" in description["paths"]["/api/v1/session"]["post"]["responses"]["201"]["headers"]
