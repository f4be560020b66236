"""The handshake of Meta."""

from urllib.parse import urlencode

import pytest

from services.ingress.answers import HttpAnswer
from services.ingress.authentication import Denial
from services.ingress.handshake import Handshake

HANDSHAKE = Handshake("verify żółć".encode())
GOOD = {"hub.mode": "subscribe", "hub.verify_token": "verify żółć", "hub.challenge": "115 8201444<b>"}


def test_the_right_token_is_answered_with_the_challenge_verbatim() -> None:
    answer = HANDSHAKE.answer(urlencode(GOOD).encode())
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, answer.body) == (200, b"115 8201444<b>")
    headers = dict(answer.headers)
    assert (headers[b"content-type"], headers[b"x-content-type-options"]) == (b"text/plain", b"nosniff")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "must have hub.mode and hub.verify_token and hub.challenge"),
        (
            urlencode(GOOD | {"hub.verify_token": "hunter2"}),
            "hub.verify_token of the handshake is not",
        ),
        (urlencode(GOOD | {"hub.mode": "hunter2"}), "hub.mode of the handshake is not 'subscribe'"),
        (urlencode(GOOD | {"hub.challenge": ""}), "must have hub.challenge,"),
        (urlencode({name: GOOD[name] for name in ("hub.mode", "hub.challenge")}), "must have hub.verify_token,"),
        (urlencode(GOOD) + "&hub.verify_token=hunter2", "must have hub.verify_token,"),
        (urlencode(GOOD) + "&a=hunter2" * 30, "must have hub.mode"),
        ("\x00", "must have hub.mode"),
        ("hub.mode=\u0142", "must have hub.mode"),
    ],
)
def test_everything_else_is_denied_with_a_reason_that_has_nothing_of_what_was_sent(query: str, reason: str) -> None:
    denial = HANDSHAKE.answer(query.encode())
    assert isinstance(denial, Denial)
    assert (denial.status, denial.error) == (403, "Forbidden")
    assert reason in denial.reason
    assert "hunter2" not in denial.reason
