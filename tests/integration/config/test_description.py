"""The description of the API, taken at its word: whatever it allows is answered, and never with a fault of ours."""

import json
from http import HTTPStatus
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.core import NotSet
from schemathesis.core.result import Ok

from tests.integration.config.control_plane import ControlPlane

EXAMPLES = 12
JSON = {"content-type": "application/json"}


def cases_of(operation: Any) -> list[Case[Any]]:  # noqa: ANN401  schemathesis has no public type for it
    """Requests to one operation, as its description allows them."""
    found: list[Case[Any]] = []

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy())
    def collect(case: Case[Any]) -> None:
        found.append(case)

    collect()
    return found


async def send(plane: ControlPlane, case: Case[Any]) -> httpx.Response | None:
    """The answer, or None where the request cannot be put on the wire."""
    body = None if isinstance(case.body, NotSet | bytes) else json.dumps(case.body)
    query = {name: str(value) for name, value in (case.query or {}).items()}
    try:
        return await plane.client.request(case.method, case.formatted_path, params=query, content=body, headers=JSON)
    except (ValueError, UnicodeError, httpx.InvalidURL):
        return None


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_no_request_that_the_description_allows_ends_in_an_error_of_the_server(plane: ControlPlane) -> None:
    description = await plane.call("GET", "/schema/openapi.json")
    found = schemathesis.openapi.from_dict(description).get_all_operations()
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    sent = 0
    for operation in operations:
        # It would end the session, or wait for a capture to end.
        if (operation.method.upper(), operation.path) == ("DELETE", "/api/v1/session") or "stream" in operation.path:
            continue
        for case in cases_of(operation):
            answer = await send(plane, case)
            if answer is not None:
                sent += 1
                shown = f"{case.method} {case.formatted_path} {case.body!r}: {answer.text}"
                assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, shown
    assert sent > 5 * len(operations)
