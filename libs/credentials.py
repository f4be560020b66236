"""Which request headers are credentials. They never leave the ingress: not as parameters, on a topic or in a log."""

import re
from functools import lru_cache

_WORDS = frozenset({"auth", "authentication", "authorization", "bearer", "hmac", "jwt", "session", "sessionid", "sig"})
_ENDINGS = ("auth", "cookie", "credential", "credentials", "password", "passwd", "secret", "signature", "token", "key")
# What kind of key is no secret. Any other one is taken for one.
_HARMLESS_KEYS = frozenset(
    {"cache", "dedup", "deduplication", "event", "idempotency", "message", "partition", "request", "routing", "sort"}
)


@lru_cache(maxsize=4096)
def is_credential(name: str) -> bool:
    """Whether a header of this lower-case name carries a credential.

    By the words of the name, so that headers of senders nobody thought of are covered: ``authorization``,
    ``x-gitlab-token``, ``stripe-signature``, ``x-functions-key``, ``authtoken``; not ``idempotency-key``.
    """
    words = re.split(r"[-_.]", name)
    return any(
        word in _WORDS or (word.endswith(_ENDINGS) and not (word == "key" and before in _HARMLESS_KEYS))
        for before, word in zip(["", *words], words, strict=False)
    )
