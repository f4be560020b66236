"""Senders that put credentials everywhere, to integrations of every kind, and what they must be answered."""

import string
from collections.abc import Callable
from typing import Final

import msgspec
from hypothesis import strategies as st
from msgspec import Struct, field

from tests.secrecy import Secret
from tests.unit.ingress.credentials import VERIFY_TOKEN, signature, token

APP_SECRET: Final = "the secret of the app, 4711"
BODY_LIMIT_BYTES: Final = 5000
KEY, OTHER_KEY = "11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002"
KINDS: Final = ("open", "token", "meta")

# Headers that are credentials; the values stand for a secret as they send it.
HEADERS: Final[dict[str, str]] = {
    "authorization": "Bearer {}",
    "proxy-authorization": "Basic {}",
    "cookie": "access_token={}; session={}",
    "x-hub-signature-256": "sha256={}",
    "x-hub-signature": "sha1={}",
    "x-api-key": "{}",
    "x-gitlab-token": "{}",
    "stripe-signature": "t=1,v1={}",
    "x-client-secret": "{}",
    "x-functions-key": "{}",
    "dpop": "{}",
}
# What fits into a header, with what other texts are made of.
TEXTS: Final = st.text(st.sampled_from(string.ascii_letters + string.digits + "!\"#$%&'()*+-./:<=>?@[\\]^_`{|}~"))


class Sent(Struct, frozen=True):
    """A request to an integration of one kind, and the status that answers it."""

    kind: str
    status: int
    headers: dict[str, str]
    body: bytes = b"{}"
    method: str = "POST"
    query: dict[str, str] = field(default_factory=dict)
    # Beside the secret itself: a good token, a signature.
    more_secrets: tuple[str, ...] = ()


def _headers(secret: Secret, **changed: str) -> dict[str, str]:
    """All credentials at once, some of them changed; one that is empty is left out."""
    given = {name: form.replace("{}", _header_of(secret)) for name, form in HEADERS.items()}
    named = {name.replace("_", "-"): value for name, value in changed.items()}
    return {
        "content-type": "application/json",
        **{name: value for name, value in (given | named).items() if value},
    }


def _header_of(secret: Secret) -> str:
    return "".join(character for character in secret.text if character not in ';,\\"')


def _accepted(secret: Secret) -> Sent:
    return Sent("open", 200, _headers(secret), b'{"order": {"id": 1}}')


def _by_token(secret: Secret) -> Sent:
    good = token(KEY)
    return Sent("token", 200, _headers(secret, authorization=f"Bearer {good}"), more_secrets=(good,))


def _by_cookie(secret: Secret) -> Sent:
    good = token(KEY)
    headers = _headers(secret, authorization="", cookie=f"access_token={good}; s={secret.plain}")
    return Sent("token", 200, headers, more_secrets=(good,))


def _by_signature(secret: Secret) -> Sent:
    body = b'{"entry": [{"id": "4"}]}'
    signed = signature(body, APP_SECRET)
    return Sent("meta", 200, _headers(secret, x_hub_signature_256=signed), body, more_secrets=(signed,))


def _with_a_token_of_another_key(secret: Secret) -> Sent:
    other = token(OTHER_KEY)
    return Sent("token", 403, _headers(secret, authorization=f"Bearer {other}"), more_secrets=(other,))


def _with_a_token_that_has_expired(secret: Secret) -> Sent:
    old = token(KEY, exp=1)
    return Sent("token", 401, _headers(secret, authorization=f"Bearer {old}"), more_secrets=(old,))


def _not_json(secret: Secret) -> Sent:
    return Sent("open", 400, _headers(secret), f'{{"password": "{secret.plain}", "{secret.plain}"'.encode())


def _too_large(secret: Secret) -> Sent:
    body = msgspec.json.encode({"password": secret.text, "filler": "x" * BODY_LIMIT_BYTES})
    return Sent("open", 413, _headers(secret), body)


def _of_another_type(secret: Secret) -> Sent:
    headers = _headers(secret, content_type=f"text/plain; token={secret.plain}")
    return Sent("open", 415, headers, secret.text.encode())


def _encoded(secret: Secret) -> Sent:
    return Sent("open", 415, _headers(secret, content_encoding=secret.plain), secret.text.encode())


def _handshake(secret: Secret) -> Sent:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
    return Sent("meta", 200, _headers(secret), b"", "GET", query, more_secrets=(VERIFY_TOKEN,))


def _wrong_handshake(secret: Secret) -> Sent:
    query = {"hub.mode": "subscribe", "hub.verify_token": secret.text, "hub.challenge": "1158201444"}
    return Sent("meta", 403, _headers(secret), b"", "GET", query)


REQUESTS: Final[dict[str, Callable[[Secret], Sent]]] = {
    "accepted": _accepted,
    "accepted by token": _by_token,
    "accepted by cookie": _by_cookie,
    "accepted by signature": _by_signature,
    "with a token of another key": _with_a_token_of_another_key,
    "with a token that has expired": _with_a_token_that_has_expired,
    "with a wrong token": lambda secret: Sent("token", 401, _headers(secret)),
    "with a wrong signature": lambda secret: Sent("meta", 401, _headers(secret)),
    "with nothing that is needed": lambda secret: Sent("token", 401, _headers(secret, authorization="", cookie="")),
    "not JSON": _not_json,
    "too large": _too_large,
    "of another type": _of_another_type,
    "encoded": _encoded,
    "by another method": lambda secret: Sent("open", 405, _headers(secret), method="PUT"),
    "a handshake": _handshake,
    "a wrong handshake": _wrong_handshake,
}
