"""The handshake of Meta: a GET that proves that whoever set up the webhook knows the verify token."""

import hmac
from typing import Final
from urllib.parse import parse_qs

from services.ingress import answers
from services.ingress.answers import HttpAnswer

_NAMES: Final = ("hub.mode", "hub.verify_token", "hub.challenge")
_FIELDS_LIMIT: Final = 20


class Handshake:
    """Answers it for one integration; nothing comes of it."""

    def __init__(self, verify_token: bytes) -> None:
        self._verify_token = verify_token

    def answer(self, query: bytes, now_ns: int) -> HttpAnswer:
        """The challenge verbatim if the token is right, else 403."""
        try:
            fields = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS_LIMIT)
        except ValueError:
            fields = {}
        # A field that is repeated is as good as none.
        mode, token, challenge = (given[0] if len(given := fields.get(name, [])) == 1 else "" for name in _NAMES)
        right = hmac.compare_digest(token.encode(), self._verify_token)
        if mode == "subscribe" and right and challenge:
            return answers.challenge(challenge.encode())
        return answers.denied(403, "Forbidden", now_ns)
