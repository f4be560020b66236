"""The description of the API, taken at its word where what it names exists: behind what would be answered 404."""

from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from schemathesis import Case

from tests.integration.config.control_plane import ControlPlane
from tests.integration.config.existing import Existing
from tests.integration.config.test_description import cases_of, described, operations, send, sqlite

# As many as there are states of what exists, at least.
WITHOUT_BODY = 4
WITH_BODY = 8
# They end the session, are about it, or ask Kafka, as those of dead letters do.
LEFT_OUT = {"/api/v1/session", "/api/v1/me", "/api/v1/events/{event_id}/explain"}
WITHOUT_CAPTURE = {("GET", "capture"), ("DELETE", "capture"), ("GET", "stream")}


def of_the_workspace(description: Mapping[str, Any]) -> list[Any]:
    """The operations on what a workspace has."""
    own = [one for one in operations(description) if one.path.startswith("/api/v1/") and one.path not in LEFT_OUT]
    return [one for one in own if "dead-letters" not in one.path]


def with_example(operation: Any) -> list[Case[Any]]:  # noqa: ANN401  no public type for it
    """Generated requests, and one with the body that the description has as its example."""
    described_body = operation.definition.raw.get("requestBody")
    cases = cases_of(operation, WITHOUT_BODY if described_body is None else WITH_BODY)
    if described_body is not None:
        [case] = cases_of(operation, 1)
        case.body = described_body["content"]["application/json"]["example"]
        cases.append(case)
    return cases


def naming(value: Any, kept: Mapping[str, str]) -> Any:  # noqa: ANN401  JSON
    """The value with ids of what exists where it has ids."""
    if isinstance(value, dict):
        return {name: kept.get(name) or naming(one, kept) for name, one in value.items()}
    return [naming(one, kept) for one in value] if isinstance(value, list) else value


async def aim(case: Case[Any], number: int, existing: Existing) -> None:
    """Make what a request names, and let it name that, with the If-Match that was generated, a good or an old one."""
    case.path_parameters = {name: await existing.makers[name](number) for name in case.path_parameters or {}}
    case.body = naming(case.body, existing.kept)
    case.query = naming(case.query, existing.kept)
    if number % 3:
        case.headers["If-Match"] = "*" if number % 3 == 1 else '"99"'


@sqlite
async def test_whatever_is_asked_of_what_exists_is_answered_as_described_and_can_succeed(
    plane: ControlPlane, tmp_path: Path
) -> None:
    seen: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    async with Existing(plane, tmp_path) as existing:
        for operation in of_the_workspace(await described(plane)):
            for number, case in enumerate(with_example(operation)):
                await aim(case, number, existing)
                answer = await send(plane, case)
                assert answer is not None
                seen[operation.method.upper(), operation.path].add(answer.status_code)
    assert len(seen) >= 35
    assert set().union(*seen.values()) >= {200, 201, 204, 400, 409, 412}
    for (method, path), statuses in seen.items():
        assert min(statuses) < HTTPStatus.BAD_REQUEST, (method, path, statuses)
        is_optional = (method, path.rpartition("/")[2]) in WITHOUT_CAPTURE
        assert is_optional or HTTPStatus.NOT_FOUND not in statuses, (method, path)
