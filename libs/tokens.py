"""What config, which makes tokens, and ingress, which checks them, agree on: JSON Web Tokens (RFC 7519), RS512."""

from typing import Final

from msgspec import Struct

ALGORITHM: Final = "RS512"
ISSUER: Final = "inlet"
# The permission of an API key that the tokens made from it need to send to an integration.
EXECUTE: Final = "INCOMING_WEBHOOK_EXECUTE"


class TokenClaims(Struct, frozen=True, kw_only=True):
    """The claims of a token; times are Unix seconds. `sub` is the API key's id; the ``kid`` is in the header."""

    iss: str
    sub: str
    iat: int
    exp: int
    jti: str
