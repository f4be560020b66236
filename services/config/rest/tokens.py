"""Routes for senders: tokens, and the keys that verify them; and for administrators, the keys that sign them."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from services.config.definitions import SigningKey, Time
from services.config.errors import ThrottledError, UnauthenticatedError
from services.config.identity import Identity, Permission
from services.config.rest.requests import OPEN, TOKEN, ApiRequest, bearer_token, client_address, fails, needs
from services.config.signing_keys import SigningKeys
from services.config.tokens import Jwk, Tokens


class ProfileLogin(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The secret of an API key."""

    api_key: Annotated[str, Meta(min_length=1, max_length=512)]


class TokenAnswer(Struct, frozen=True, kw_only=True):
    """A JSON Web Token, to be sent as `Authorization: Bearer`."""

    token: str


class JwksAnswer(Struct, frozen=True, kw_only=True):
    """A JWK Set (RFC 7517)."""

    keys: Sequence[Jwk]


class SigningKeyAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A key for tokens. `next` will sign when it is known everywhere, `verifying` has signed."""

    id: str
    state: Literal["next", "signing", "verifying"]
    signs_from: Time | None
    verifies_until: Time | None
    created_at: Time


class SigningKeysAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """All of them, the oldest first."""

    items: Sequence[SigningKeyAnswer]


def token_routes() -> list[HTTPRouteHandler]:
    return [log_in, refresh, jwks]


def signing_key_router() -> Router:
    return Router("/signing-keys", route_handlers=[signing_keys_page, rotate, end], tags=["Signing keys"])


@post(
    "/uauth/v2/auth/login/profile",
    opt=OPEN | fails(UnauthenticatedError, ThrottledError),
    status_code=200,
    summary="Log in with an API key",
    tags=["Tokens"],
)
async def log_in(data: JSONBody[ProfileLogin], request: ApiRequest, tokens: NamedDependency[Tokens]) -> TokenAnswer:
    """A token for the integrations that have this API key."""
    return TokenAnswer(token=await tokens.log_in(data.api_key, client_address(request)))


@get("/uauth/v2/auth/refresh/profile", opt=TOKEN | fails(ThrottledError), summary="Refresh a token", tags=["Tokens"])
async def refresh(request: ApiRequest, tokens: NamedDependency[Tokens]) -> TokenAnswer:
    """A new token for the one in `Authorization: Bearer`, which must still be valid."""
    token = bearer_token(request)
    if token is None:
        raise UnauthenticatedError("A token is needed, as Authorization: Bearer.")
    return TokenAnswer(token=await tokens.refresh(token, client_address(request)))


@get("/.well-known/jwks.json", opt=OPEN, summary="Public keys of tokens", tags=["Tokens"])
async def jwks(tokens: NamedDependency[Tokens]) -> Response[JwksAnswer]:
    """To verify tokens elsewhere; a token names its key by `kid`."""
    return Response(JwksAnswer(keys=await tokens.jwks()), headers={"Cache-Control": "max-age=30"})


@get("/", opt=needs(Permission.ADMIN), summary="List the signing keys")
async def signing_keys_page(
    identity: NamedDependency[Identity], signing_keys: NamedDependency[SigningKeys]
) -> SigningKeysAnswer:
    """All of them, the oldest first."""
    return SigningKeysAnswer(items=[_answer(key) for key in await signing_keys.all(identity)])


@post("/", opt=needs(Permission.ADMIN), summary="Rotate the signing key")
async def rotate(identity: NamedDependency[Identity], signing_keys: NamedDependency[SigningKeys]) -> SigningKeyAnswer:
    """A new key, which signs in a minute, when it is known everywhere. No token becomes invalid."""
    return _answer(await signing_keys.rotate(identity))


@delete("/{signing_key_id:uuid}", opt=needs(Permission.ADMIN), summary="End a signing key at once")
async def end(
    signing_key_id: FromPath[UUID], identity: NamedDependency[Identity], signing_keys: NamedDependency[SigningKeys]
) -> None:
    """For a key that somebody else may know: every token that it has signed is refused within a second."""
    await signing_keys.delete(identity, str(signing_key_id))


def _answer(key: SigningKey) -> SigningKeyAnswer:
    if key.verifies_until is not None:
        state: Literal["next", "signing", "verifying"] = "verifying"
    else:
        state = "next" if key.signs_from is None else "signing"
    return SigningKeyAnswer(
        id=key.id,
        state=state,
        signs_from=key.signs_from,
        verifies_until=key.verifies_until,
        created_at=key.created_at,
    )
