"""The handshake of Meta."""

import json
from urllib.parse import urlencode

import pytest

from services.ingress.handshake import Handshake

HANDSHAKE = Handshake("verify żółć".encode())
GOOD = {"hub.mode": "subscribe", "hub.verify_token": "verify żółć", "hub.challenge": "115 8201444<b>"}


def test_the_right_token_is_answered_with_the_challenge_verbatim() -> None:
    answer = HANDSHAKE.answer(urlencode(GOOD).encode(), 0)
    assert (answer.status, answer.body) == (200, b"115 8201444<b>")
    headers = dict(answer.headers)
    assert (headers[b"content-type"], headers[b"x-content-type-options"]) == (b"text/plain", b"nosniff")


@pytest.mark.parametrize(
    "query",
    [
        "",
        urlencode(GOOD | {"hub.verify_token": "verify"}),
        urlencode(GOOD | {"hub.mode": "unsubscribe"}),
        urlencode(GOOD | {"hub.challenge": ""}),
        urlencode({name: GOOD[name] for name in ("hub.mode", "hub.challenge")}),
        urlencode(GOOD) + "&hub.verify_token=other",
        urlencode(GOOD) + "&a=b" * 30,
        "\x00",
    ],
)
def test_everything_else_is_403(query: str) -> None:
    answer = HANDSHAKE.answer(query.encode(), 1_758_107_598 * 10**9)
    assert answer.status == 403
    assert json.loads(answer.body) == {
        "status": 403,
        "error": "Forbidden",
        "message": "",
        "timestamp": "2025-09-17 11:13:18Z",
    }
