"""Routes: log in, log out, who am I."""

from typing import Annotated, Final

from litestar import Response, delete, get, post
from litestar.datastructures import Cookie, ResponseHeader
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta, Struct

from services.config.accounts import Accounts
from services.config.definitions import Time
from services.config.errors import ThrottledError, UnauthenticatedError
from services.config.identity import Identity, Permissions, role_of
from services.config.rest.requests import OPEN, SESSION_COOKIE, SIGNED_IN, ApiRequest, client_address, fails
from services.config.rest.workspace import WorkspaceAnswer, workspace_answer


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An email address, in any case, and a password."""

    email: Annotated[str, Meta(max_length=254, pattern=r"^[^\x00]*$")]
    password: Annotated[str, Meta(max_length=1024)]


class SessionAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """The token is shown only here; it also comes as a cookie that scripts cannot read."""

    token: str
    expires_at: Time


class MeAnswer(Struct, frozen=True, kw_only=True):
    """The user of the session."""

    id: str
    email: str
    permissions: Permissions
    role: str | None
    workspace: WorkspaceAnswer


_COOKIE: Final = ResponseHeader("Set-Cookie", documentation_only=True, value="", description=f"`{SESSION_COOKIE}`.")


def session_routes() -> list[HTTPRouteHandler]:
    return [log_in, log_out, me]


@post(
    "/session",
    opt=OPEN | fails(UnauthenticatedError, ThrottledError),
    response_headers=[_COOKIE],
    summary="Log in",
    tags=["Session"],
)
async def log_in(
    data: JSONBody[Login],
    request: ApiRequest,
    accounts: NamedDependency[Accounts],
    secure_cookie: NamedDependency[bool],
) -> Response[SessionAnswer]:
    """Open a session. Send its token as `Authorization: Bearer`, or let the cookie do it."""
    session = await accounts.log_in(data.email, data.password, client_address(request))
    cookie = Cookie(
        key=SESSION_COOKIE,
        value=session.token,
        httponly=True,
        samesite="lax",
        secure=secure_cookie,
    )
    return Response(SessionAnswer(token=session.token, expires_at=session.expires_at), cookies=[cookie])


@delete("/session", opt=SIGNED_IN, response_headers=[_COOKIE], summary="Log out", tags=["Session"])
async def log_out(request: ApiRequest, accounts: NamedDependency[Accounts]) -> Response[None]:
    """End the session of this request."""
    await accounts.log_out(request.auth)
    response: Response[None] = Response(None, status_code=204)
    response.delete_cookie(SESSION_COOKIE)
    return response


@get("/me", opt=SIGNED_IN, summary="Who am I", tags=["Session"])
async def me(identity: NamedDependency[Identity]) -> MeAnswer:
    """The user and the workspace of the session."""
    return MeAnswer(
        id=identity.user_id,
        email=identity.email,
        permissions=identity.permissions,
        role=role_of(identity.permissions),
        workspace=workspace_answer(identity.workspace),
    )
