"""The one mapping from what went wrong to an answer: ``{"status", "error", "message", "errors"}``.

Answers carry texts written here or for the author of the request, never those of an exception that was not meant
for them.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from msgspec import Struct, ValidationError

from libs.identifiers import new_event_id
from services.config.errors import (
    ConflictError,
    Fault,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OutdatedError,
    RequestError,
    SplitError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
    UnseenError,
)
from services.config.rest.choices import choices
from services.config.texts import camel_case

log = logging.getLogger(__name__)

BODY_LIMIT_BYTES: Final = 1024 * 1024

STATUSES: Final[Mapping[type[RequestError], HTTPStatus]] = {
    InvalidError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    SplitError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    OutdatedError: HTTPStatus.PRECONDITION_FAILED,
    UnseenError: HTTPStatus.PRECONDITION_REQUIRED,
    ThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
}
_MESSAGES: Final = {
    HTTPStatus.BAD_REQUEST: "The request is not valid.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not support the method.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"The body is larger than {BODY_LIMIT_BYTES:,} bytes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body must be application/json.",
}
_THINGS: Final = {
    "integrations": "integration",
    "business-events": "Business Event",
    "api-keys": "API key",
    "signing-keys": "signing key",
    "users": "user",
    "events": "event",
}
_THING: Final = re.compile(rf"/api/v1/(?P<things>{'|'.join(_THINGS)})/(?P<id>[^/]+)")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NAMED_FIELD: Final = re.compile(r"Object (?:missing required|contains unknown) field `(.+)`", re.DOTALL)
# What a message of msgspec says without repeating a value, which may be a secret in the wrong place.
_WITHOUT_VALUE: Final = re.compile(r"(Expected|Object) .*|Invalid [^'\"]*", re.DOTALL)
_PATH_BEGINS: Final = "`$."
_AT: Final = " - at `$"
_NO_MORE: Final = "is not valid"


class ErrorAnswer(Struct, frozen=True, kw_only=True):
    """The body of every answer from 400 on; `errors` locates what the author of the request can correct."""

    status: int
    error: str
    message: str
    errors: Sequence[Fault] = ()


def fault_of(error: ValidationError, kind: object) -> Fault:
    """What is wrong with the form of something that is decoded as `kind`, where, and without a value."""
    message, at, path = str(error).rpartition(_AT)
    return _located(path.removesuffix("`").removeprefix("."), message, kind) if at else _located("", path, kind)


def error_response(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorAnswer]:
    """The answer for anything that was raised."""
    match error:
        case RequestError():
            if isinstance(error, UnavailableError):
                log.warning("answered 503: %s (%r)", error.message, error.__cause__)
            later = {"Retry-After": str(error.retry_after_s)} if isinstance(error, ThrottledError) else None
            return _answer(STATUSES[type(error)], error.message, error.faults, later)
        case ValidationException():
            return _answer(HTTPStatus.BAD_REQUEST, faults=[_fault(request, one) for one in error.extra or ()])
        case HTTPException() if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            nothing = _nothing_at(request.scope["path"]) if error.status_code == HTTPStatus.NOT_FOUND else None
            return _answer(HTTPStatus(error.status_code), nothing, headers=error.headers)
        case _:
            error_id = new_event_id()
            log.error("request failed, error %s", error_id, exc_info=error)
            return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"This is our fault. It is logged as {error_id}.")


def _nothing_at(path: str) -> str | None:
    """What does not exist, where an id in a path is none, so that no route is found."""
    found = _THING.match(path)
    if found is None or _UUID.fullmatch(found["id"]):
        return None
    return f"There is no such {_THINGS[found['things']]}: ids are UUIDs."


def _answer(
    status: HTTPStatus,
    message: str | None = None,
    faults: Sequence[Fault] = (),
    headers: dict[str, str] | None = None,
) -> Response[ErrorAnswer]:
    text = _MESSAGES.get(status, status.phrase) if message is None else message
    return Response(
        ErrorAnswer(status=status.value, error=status.phrase, message=text, errors=faults),
        status_code=status.value,
        media_type="application/json",
        headers={**_HEADERS.get(status, {}), **(headers or {})},
    )


def _fault(request: Request[Any, Any, Any], found: object) -> Fault:
    """A fault as the framework reports it, with the path of the field it is about, and no value.

    The framework takes the path to begin where the message first says so, which may be within a value.
    """
    match found:
        case {"key": "data", "message": "'data'"}:
            return Fault("", "a JSON body is required")
        case {"key": "data", "message": str(message)}:
            path = ""
        case {"key": str(path), "message": str(message), "source": "body"}:
            pass
        case {"key": str(key), "message": str(message)}:
            kind = request.route_handler.parsed_fn_signature.parameters[key].annotation
            fault = _located("", message, kind)
            return Fault(camel_case(key), fault.message)  # the name of a parameter here, not in the query
        case _:
            return Fault("", _NO_MORE)
    if _PATH_BEGINS in path:
        path = path.rpartition(_PATH_BEGINS)[2].removeprefix("data.")
    return _located(path, message, None)


def _located(path: str, message: str, kind: object) -> Fault:
    if named := _NAMED_FIELD.fullmatch(message):
        path = f"{path}.{named[1]}".lstrip(".")
        message = "is required" if "missing" in message else "is not a known field"
    elif not _WITHOUT_VALUE.fullmatch(message):
        allowed = choices(kind, path)
        message = f"must be one of {', '.join(allowed)}" if allowed else _NO_MORE
    return Fault(path, message)
