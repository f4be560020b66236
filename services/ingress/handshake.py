"""The handshake of Meta: a GET that proves that whoever set up the webhook knows the verify token."""

import hmac
from typing import Final
from urllib.parse import parse_qs

from services.ingress import answers
from services.ingress.answers import HttpAnswer
from services.ingress.authentication import Denial

_MODE: Final = "hub.mode"
_TOKEN: Final = "hub.verify_token"  # noqa: S105  a name
_CHALLENGE: Final = "hub.challenge"
_FIELDS_LIMIT: Final = 20


class Handshake:
    """Answers it for one integration; nothing comes of it. No reason of a denial has anything of what was sent."""

    def __init__(self, verify_token: bytes) -> None:
        self._verify_token = verify_token

    def answer(self, query: bytes) -> HttpAnswer | Denial:
        """The challenge verbatim if the token is right."""
        try:
            fields = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS_LIMIT)
        except ValueError:
            fields = {}
        # A field that is repeated is as good as none.
        names = (_MODE, _TOKEN, _CHALLENGE)
        given = {name: values[0] for name in names if len(values := fields.get(name, [])) == 1 and values[0]}
        if missing := [name for name in names if name not in given]:
            return _denied(f"The handshake must have {' and '.join(missing)}, not empty and not repeated")
        if given[_MODE] != "subscribe":
            return _denied(f"The {_MODE} of the handshake is not 'subscribe'")
        if not hmac.compare_digest(given[_TOKEN].encode(), self._verify_token):
            return _denied(f"The {_TOKEN} of the handshake is not the verify token of the integration")
        return answers.challenge(given[_CHALLENGE].encode())


def _denied(reason: str) -> Denial:
    return Denial(403, "Forbidden", reason)
