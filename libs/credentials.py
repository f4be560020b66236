"""Which request headers are credentials. They never leave the ingress: not as parameters, on a topic or in a log."""

import re
from functools import lru_cache

_WORDS = frozenset({
    "auth", "authentication", "authorization", "authz", "bearer", "cert", "dpop", "hmac", "jwt", "oauth", "oidc", "otp",
    "pass", "passcode", "passphrase", "pin", "psk", "pw", "pwd", "saml", "session", "sig", "sign", "wsse",
})  # fmt: skip
_ENDINGS = (
    "auth", "certificate", "cookie", "credential", "key", "passwd", "password", "secret", "sessionid", "signature",
    "token",
)  # fmt: skip
# What kind of key is no secret. Any other one is taken for one.
_HARMLESS_KEYS = frozenset(
    {"cache", "dedup", "deduplication", "event", "idempotency", "message", "partition", "request", "routing", "sort"}
)


@lru_cache(maxsize=4096)
def is_credential(name: str) -> bool:
    """Whether a header of this lower-case name carries a credential.

    By the words of the name, singular or plural and numbered or not, so that headers of senders nobody thought of are
    covered: ``authorization``, ``x-gitlab-token``, ``stripe-signature``, ``x-functions-key``, ``x-api-keys``,
    ``x-secret2``; not ``idempotency-key``.
    """
    words = [word.rstrip("0123456789") for word in re.split(r"[-_.]", name)]
    return any(
        (_is_secret(word) or _is_secret(word.removesuffix("s")))
        and not (word in {"key", "keys"} and before in _HARMLESS_KEYS)
        for before, word in zip(["", *words], words, strict=False)
    )


def _is_secret(word: str) -> bool:
    return word in _WORDS or word.endswith(_ENDINGS)
