"""Which error answers a route can give: it follows from what the route is, and is said here for all of them."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler

from services.config.errors import Fault
from services.config.rest.errors import BODY_LIMIT_BYTES, STATUSES, ErrorAnswer
from services.config.rest.preconditions import IF_MATCH
from services.config.rest.requests import OPEN, STRICT, permissions_of

_MEANINGS: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.BAD_REQUEST: "What was given breaks a rule. `errors` says where: the first fault of its form, or if "
    "that is right the faults of its content.",
    HTTPStatus.UNAUTHORIZED: "There is no session, or no longer; or a login fails.",
    HTTPStatus.FORBIDDEN: "The user lacks a permission, which the message names.",
    HTTPStatus.NOT_FOUND: "The workspace has no such thing.",
    HTTPStatus.CONFLICT: "What is stored stands in the way. `errors` may name it.",
    HTTPStatus.PRECONDITION_FAILED: "The thing is in another state than the one that `If-Match` names.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"The body is larger than {BODY_LIMIT_BYTES:,} bytes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not said to be `application/json`.",
    HTTPStatus.PRECONDITION_REQUIRED: "Somebody else has changed it last. Say with `If-Match` which state is meant.",
    HTTPStatus.TOO_MANY_REQUESTS: "There were too many attempts.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The store does not answer at the moment.",
}
_SECONDS: Final = {"description": "In how many seconds to try again.", "schema": {"type": "integer", "minimum": 1}}
_HEADERS: Final[Mapping[HTTPStatus, Mapping[str, Mapping[str, object]]]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": {"schema": {"const": "Bearer"}}},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": _SECONDS},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": _SECONDS},
}


def failures(route: HTTPRouteHandler, parameters: Mapping[str, str]) -> list[HTTPStatus]:
    """The statuses of a route's error answers. `parameters` are its parameters and where each of them is."""
    return sorted(set(_failures(route, parameters)))


def _failures(route: HTTPRouteHandler, parameters: Mapping[str, str]) -> Iterator[HTTPStatus]:
    yield HTTPStatus.SERVICE_UNAVAILABLE
    if route.opt["needs"] != OPEN["needs"]:
        yield HTTPStatus.UNAUTHORIZED
    if permissions_of(route.opt):
        yield HTTPStatus.FORBIDDEN
    if route.parsed_data_field is not None:
        yield from (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if "path" in parameters.values():
        yield HTTPStatus.NOT_FOUND
    if route.opt.get("query") == STRICT["query"] or {"query", "header"} & set(parameters.values()):
        yield HTTPStatus.BAD_REQUEST
    if IF_MATCH in parameters:
        yield from (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)
    yield from (STATUSES[error] for error in route.opt.get("fails", ()))


def reference(status: HTTPStatus) -> dict[str, str]:
    """Where the answer with this status is described."""
    return {"$ref": f"#/components/responses/{_name(status)}"}


def descriptions() -> dict[str, dict[str, Any]]:
    """Each error answer by its name, for all routes that give it."""
    return {_name(status): _description(status, meaning) for status, meaning in _MEANINGS.items()}


def _name(status: HTTPStatus) -> str:
    return status.phrase.replace(" ", "")


def _description(status: HTTPStatus, meaning: str) -> dict[str, Any]:
    faults = [Fault("name", "is required")] if status is HTTPStatus.BAD_REQUEST else []
    example = ErrorAnswer(status=status, error=status.phrase, message=meaning.replace("`", ""), errors=faults)
    content = {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}, "example": msgspec.to_builtins(example)}
    headers = {name: {**header, "required": True} for name, header in _HEADERS.get(status, {}).items()}
    return {"description": meaning, "headers": headers, "content": {"application/json": content}}
