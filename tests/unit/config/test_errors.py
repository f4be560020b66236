import logging
from typing import Any, cast

import pytest
from litestar import Request
from litestar.exceptions import MethodNotAllowedException
from litestar.types import HTTPScope

from services.config.errors import (
    ConflictError,
    Fault,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OutdatedError,
    RequestError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
    UnseenError,
)
from services.config.rest.errors import ErrorAnswer, error_response

REQUEST: Request[Any, Any, Any] = Request(cast("HTTPScope", {"type": "http", "headers": []}))


def answer(error: Exception) -> ErrorAnswer:
    return error_response(REQUEST, error).content


REFUSALS: list[tuple[RequestError, int, str]] = [
    (InvalidError([Fault("name", "is required")]), 400, "Bad Request"),
    (UnauthenticatedError("no"), 401, "Unauthorized"),
    (ForbiddenError("no"), 403, "Forbidden"),
    (NotFoundError("no"), 404, "Not Found"),
    (ConflictError("no"), 409, "Conflict"),
    (OutdatedError("no"), 412, "Precondition Failed"),
    (UnseenError("no"), 428, "Precondition Required"),
    (ThrottledError(1.5), 429, "Too Many Requests"),
    (UnavailableError(), 503, "Service Unavailable"),
]


@pytest.mark.parametrize(("error", "status", "phrase"), REFUSALS)
def test_each_refusal_has_one_status(error: RequestError, status: int, phrase: str) -> None:
    assert answer(error) == ErrorAnswer(status=status, error=phrase, message=error.message, errors=error.faults)
    assert error_response(REQUEST, error).status_code == status


def test_every_kind_of_refusal_is_listed_here() -> None:
    assert {type(error) for error, *_ in REFUSALS} == set(RequestError.__subclasses__())


def test_what_an_unexpected_error_says_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answered = answer(RuntimeError("the password is hunter2"))
    assert answered.status == 500
    assert "hunter2" not in answered.message
    error_id = answered.message.rstrip(".").split()[-1]
    assert [error_id in record.getMessage() for record in caplog.records] == [True]


def test_a_method_that_is_not_supported_is_answered_with_those_that_are() -> None:
    response = error_response(REQUEST, MethodNotAllowedException(headers={"allow": "GET"}))
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
