"""Signatures as Meta makes them, over the bytes of the body."""

import hmac
from collections.abc import Iterable
from typing import Final

from services.ingress.authentication import Denial, Keyring, Request

NO_SIGNATURE: Final = Denial(401, "Missing 'X-Hub-Signature-256' header", "There is no X-Hub-Signature-256 header")
WRONG_SIGNATURE: Final = Denial(
    401,
    "Invalid 'X-Hub-Signature-256' header",
    "The X-Hub-Signature-256 header does not match the body: it is not signed with this app secret",
)
SEVERAL_SIGNATURES: Final = Denial(401, NO_SIGNATURE.error, "There is more than one X-Hub-Signature-256 header")

SIGNATURE_ERRORS: Final = frozenset({NO_SIGNATURE.error, WRONG_SIGNATURE.error})


class SignatureAuthenticator:
    """Lets in what is signed with one of the app secrets: ``sha256=`` and the HMAC-SHA256 of the bytes as sent."""

    def __init__(self, app_secrets: Iterable[bytes]) -> None:
        self._app_secrets = tuple(app_secrets)

    def check(self, request: Request, keyring: Keyring) -> Denial | None:  # noqa: ARG002  of the protocol
        signatures = [value for name, value in request.headers if name == b"x-hub-signature-256"]
        if not signatures:
            return NO_SIGNATURE
        if len(signatures) > 1:
            return SEVERAL_SIGNATURES
        # Each of them, so that the time says nothing about which one it was.
        expected = [b"sha256=%b" % hmac.digest(it, request.raw, "sha256").hex().encode() for it in self._app_secrets]
        matches = [hmac.compare_digest(one, signatures[0]) for one in expected]
        return None if any(matches) else WRONG_SIGNATURE
