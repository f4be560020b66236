"""Tokens that were made from an API key. Everything else is refused."""

from collections.abc import Mapping
from typing import Final

import jwt
import msgspec

from libs.networks import is_within
from libs.tokens import ALGORITHM, ISSUER, TokenClaims
from services.ingress.authentication import Denial, Keyring, KnownApiKey, RawHeaders, Request, VerifyingKey

TOKENS_LIMIT: Final = 10_000
_TOKEN_LIMIT_BYTES: Final = 4096
_CLOCK_SKEW_S: Final = 60
_COOKIE: Final = "access_token"

MISSING_TOKEN: Final = Denial(
    401, "Missing 'Authorization' header or 'access_token' cookie", "There is no Authorization header or cookie"
)
MALFORMED: Final = Denial(401, "Malformed token", "The token is no JSON Web Token as they are made here")
ALGORITHM_REFUSED: Final = Denial(401, "Unsupported token algorithm", f"The token's algorithm is not {ALGORITHM}")
BAD_SIGNATURE: Final = Denial(401, "Invalid token signature", "No signing key that is valid has signed the token")
EXPIRED: Final = Denial(401, "Expired token", "The token has expired")


def _forbidden(reason: str) -> Denial:
    return Denial(403, "Forbidden", reason)


OTHER_KEY: Final = _forbidden("The token was made from another API key than the integration's")
NO_KEY: Final = _forbidden("The integration's API key is revoked")
KEY_EXPIRED: Final = _forbidden("The integration's API key has expired")
NO_PERMISSION: Final = _forbidden("The integration's API key lacks INCOMING_WEBHOOK_EXECUTE")
OTHER_PLACE: Final = _forbidden("The sender's address is not one that the API key allows")


class VerifiedTokens:
    """Remembers which tokens were verified with which key, and nothing that can change: not that they are valid."""

    def __init__(self, limit: int = TOKENS_LIMIT) -> None:
        self._limit = limit
        self._verified: dict[str, tuple[str, VerifyingKey, TokenClaims]] = {}

    def claims(self, token: str, keys: Mapping[str, VerifyingKey]) -> tuple[VerifyingKey, TokenClaims] | Denial:
        """The claims of a token that one of these keys has signed."""
        known = self._verified.get(token)
        if known is not None and keys.get(known[0]) is known[1]:
            return known[1], known[2]
        verified = _verify(token, keys)
        if isinstance(verified, Denial):
            return verified
        if len(self._verified) >= self._limit:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = verified
        return verified[1], verified[2]


def _verify(token: str, keys: Mapping[str, VerifyingKey]) -> tuple[str, VerifyingKey, TokenClaims] | Denial:
    try:
        header = jwt.get_unverified_header(token) if len(token) <= _TOKEN_LIMIT_BYTES else {}
        kid = str(header.get("kid", ""))
        key = keys.get(kid)
        if header.get("alg") != ALGORITHM:
            return ALGORITHM_REFUSED if header else MALFORMED
        if key is None:
            return BAD_SIGNATURE
        # The times are checked with each request, not once for all that follow.
        options = {"require": ["exp", "iat", "sub"], "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        decoded = jwt.decode(token, key.public, algorithms=[ALGORITHM], issuer=ISSUER, options=options)  # type: ignore[arg-type]  # a plain dict
        return kid, key, msgspec.convert(decoded, TokenClaims)
    except jwt.InvalidSignatureError:
        return BAD_SIGNATURE
    except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError, TypeError):
        return MALFORMED


class TokenAuthenticator:
    """Lets in whoever has a token made from one API key."""

    def __init__(self, api_key_id: str, workspace: str, verified: VerifiedTokens) -> None:
        self._api_key_id = api_key_id
        self._workspace = workspace
        self._verified = verified

    def check(self, request: Request, keyring: Keyring) -> Denial | None:
        token = find_token(request.headers)
        if isinstance(token, Denial):
            return token
        found = self._verified.claims(token, keyring.signing)
        if isinstance(found, Denial):
            return found
        key, claims = found
        if claims.exp <= request.now_s:
            return EXPIRED
        if claims.iat > request.now_s + _CLOCK_SKEW_S:
            return MALFORMED
        if claims.sub != self._api_key_id or key.workspace != self._workspace:
            return OTHER_KEY
        return self._check_key(request, keyring.api.get(claims.sub))

    def _check_key(self, request: Request, key: KnownApiKey | None) -> Denial | None:
        if key is None or key.workspace != self._workspace:
            return NO_KEY
        if key.expires_at_s <= request.now_s:
            return KEY_EXPIRED
        if not key.may_execute:
            return NO_PERMISSION
        return OTHER_PLACE if key.networks and not is_within(request.address, key.networks) else None


def find_token(headers: RawHeaders) -> str | Denial:
    """The token of a request: in ``Authorization``, or else in the cookie ``access_token``."""
    authorizations = [value for name, value in headers if name == b"authorization"]
    if authorizations:
        scheme, _, token = authorizations[0].decode("latin-1").strip().partition(" ")
        return token.strip() if len(authorizations) == 1 and scheme.lower() == "bearer" and token.strip() else MALFORMED
    for name, value in headers:
        if name == b"cookie" and (token := _cookie(value.decode("latin-1"))):
            return token
    return MISSING_TOKEN


def _cookie(text: str) -> str:
    """The value of the cookie in a header, whatever others are beside it (RFC 6265, section 5.4)."""
    for pair in text.split(";"):
        name, _, value = pair.partition("=")
        if name.strip() == _COOKIE:
            return value.strip().strip('"')
    return ""
