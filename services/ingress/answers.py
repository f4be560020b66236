"""What a sender is told: every outcome of a request as its one HTTP answer, in the order of the checks."""

import math
from datetime import UTC, datetime
from typing import Final, NamedTuple

from msgspec import json

from services.ingress.timestamps import rfc3339


class HttpAnswer(NamedTuple):
    """Status, headers and body, as they go out."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


def _answer(status: int, body: bytes, *headers: tuple[bytes, bytes], kind: bytes = b"text/plain") -> HttpAnswer:
    return HttpAnswer(status, ((b"content-type", kind), (b"content-length", b"%d" % len(body)), *headers), body)


# Unknown and not published look the same.
NOT_FOUND: Final = _answer(404, b"The requested resource could not be found but may be available again in the future.")
METHOD_NOT_ALLOWED: Final = _answer(405, b"Send a POST request.", (b"allow", b"POST"))
METHOD_NOT_ALLOWED_BY_META: Final = _answer(405, b"Send a POST request.", (b"allow", b"GET, POST"))
UNSUPPORTED_TYPE: Final = _answer(415, b"The Content-Type must be application/json.")
TOO_LARGE: Final = _answer(413, b"The body is too large.")
UNSUPPORTED_ENCODING: Final = _answer(
    415, b"The body must be sent without a Content-Encoding.", (b"accept-encoding", b"identity")
)
HEADERS_TOO_LARGE: Final = _answer(431, b"The headers are too large.")
# What is no request is answered by the server.
NOT_HTTP: Final = _answer(400, b"This is not HTTP.")
HEAD_STALLED: Final = _answer(408, b"The headers did not arrive in time.")
STALLED: Final = _answer(408, b"The body did not arrive in time.")
# A duplicate is the only reason for a 204.
DUPLICATE: Final = HttpAnswer(204)
# Nothing may have been stored, or it may: the sender should send again.
UNAVAILABLE: Final = _answer(503, b"Please send the request again later.", (b"retry-after", b"5"))
# The event has the id of another request with this hash, which is not known here.
ACCEPTED_ELSEWHERE: Final = _answer(200, b"OK")
# Meta repeats whatever is not answered 200. Looks like the one above, and is told from it by its identity.
DUPLICATE_OF_META: Final = _answer(200, b"OK")

STATUSES: Final = (200, 204, 400, 401, 403, 404, 405, 408, 413, 415, 429, 431, 503)


def malformed(now_ns: int) -> HttpAnswer:
    """The body is not a JSON object within the limits; `now_ns` is Unix time."""
    body = {
        "error": "Bad Request",
        "message": "Error while deserializing input",
        "status": 400,
        "timestamp": rfc3339(now_ns, 9),
    }
    return _answer(400, json.encode(body), kind=b"application/json")


def accepted(event_id: str) -> HttpAnswer:
    """The request is durable and will be the event of this id."""
    return HttpAnswer(200, (*ACCEPTED_ELSEWHERE.headers, (b"x-request-id", event_id.encode())), b"OK")


def denied(status: int, error: str, now_ns: int) -> HttpAnswer:
    """The request is not let in: 401 or 403; `now_ns` is Unix time."""
    moment = datetime.fromtimestamp(now_ns // 10**9, UTC)
    body = {"status": status, "error": error, "message": "", "timestamp": f"{moment:%Y-%m-%d %H:%M:%S}Z"}
    return _answer(status, json.encode(body), kind=b"application/json")


def token_needed(error: str, now_ns: int) -> HttpAnswer:
    """As `denied` with 401, where a token would help (RFC 6750, section 3)."""
    answer = denied(401, error, now_ns)
    return answer._replace(headers=(*answer.headers, (b"www-authenticate", b"Bearer")))


def too_many(wait_s: float) -> HttpAnswer:
    """The integration's rate limit is reached; there is room again after `wait_s` seconds."""
    return _answer(429, b"Too many requests.", (b"retry-after", b"%d" % max(1, math.ceil(wait_s))))


def challenge(text: bytes) -> HttpAnswer:
    """The handshake of Meta: the challenge, verbatim, and nothing that a browser could take it for."""
    return _answer(200, text, (b"x-content-type-options", b"nosniff"))
