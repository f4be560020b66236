"""The answers, byte for byte as senders know them."""

import re

import pytest

from services.ingress import answers
from services.ingress.answers import HttpAnswer


def headers_of(answer: HttpAnswer) -> dict[bytes, bytes]:
    return dict(answer.headers)


def test_an_unknown_endpoint_is_told_what_an_unpublished_one_is() -> None:
    assert answers.NOT_FOUND.status == 404
    assert answers.NOT_FOUND.body == (
        b"The requested resource could not be found but may be available again in the future."
    )
    assert headers_of(answers.NOT_FOUND)[b"content-type"] == b"text/plain"


def test_an_accepted_request_is_ok_and_carries_its_id() -> None:
    answer = answers.accepted("0193")
    assert (answer.status, answer.body) == (200, b"OK")
    assert headers_of(answer) == {
        b"content-type": b"text/plain",
        b"content-length": b"2",
        b"x-request-id": b"0193",
    }


def test_a_duplicate_is_204_without_any_content() -> None:
    assert HttpAnswer(204) == answers.DUPLICATE


@pytest.mark.parametrize(
    ("now_ns", "timestamp"),
    [
        (1758104732_050812543, "2025-09-17T10:25:32.050812543Z"),
        (1758104732_000000000, "2025-09-17T10:25:32.000000000Z"),
        (1758104732_999999999, "2025-09-17T10:25:32.999999999Z"),
    ],
)
def test_a_malformed_body_is_400_with_a_timestamp_of_nine_digits(now_ns: int, timestamp: str) -> None:
    answer = answers.malformed(now_ns)
    assert answer.status == 400
    assert headers_of(answer)[b"content-type"] == b"application/json"
    assert answer.body.decode() == (
        f'{{"error":"Bad Request","message":"Error while deserializing input","status":400,"timestamp":"{timestamp}"}}'
    )


def test_every_503_says_when_to_come_again() -> None:
    assert answers.UNAVAILABLE.status == 503
    assert int(headers_of(answers.UNAVAILABLE)[b"retry-after"]) >= 1


def test_405_says_what_is_allowed() -> None:
    assert headers_of(answers.METHOD_NOT_ALLOWED)[b"allow"] == b"POST"


ALL = [value for value in vars(answers).values() if isinstance(value, HttpAnswer)] + [answers.malformed(0)]


@pytest.mark.parametrize("answer", ALL, ids=lambda answer: str(answer.status))
def test_the_length_is_the_body_s_and_the_status_is_counted(answer: HttpAnswer) -> None:
    assert int(headers_of(answer).get(b"content-length", b"0")) == len(answer.body)
    assert all(re.fullmatch(rb"[a-z-]+", name) for name, _ in answer.headers)
    assert answer.status in answers.STATUSES
