"""Requests to the API: whose they are, and their JSON bodies."""

from typing import Any, Final

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import ClientException, InternalServerException
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from services.config.accounts import Accounts
from services.config.errors import Fault, ForbiddenError, InvalidError, UnauthenticatedError
from services.config.identity import Identity, Permission

SESSION_COOKIE: Final = "inlet_session"
# What a route asks for. One that says nothing is closed to everybody.
OPEN: Final = {"needs": "nothing"}
SIGNED_IN: Final = {"needs": "session"}


def needs(*permissions: Permission) -> dict[str, object]:
    """A session of a user with all of these, and access at all."""
    return {"needs": permissions}


class ApiRequest(Request[Identity, str, State]):
    """A request of `user`, whose session has the token `auth`."""

    async def body(self) -> bytes:
        """The bytes of the body.

        Raises:
            ClientException: 413, there are too many; or the client went away, and nobody hears the answer.
        """
        try:
            return await super().body()
        except InternalServerException as error:
            raise ClientException from error

    async def json(self) -> object:
        """The decoded body.

        Raises:
            ClientException: 415, it does not say that it is JSON. A browser sends JSON to another site only after
                asking that site, so this also keeps forms of other sites out.
            InvalidError: it is not JSON.
        """
        if self.content_type[0] != "application/json":
            raise ClientException(status_code=415)
        try:
            return msgspec.json.decode(await self.body())
        except msgspec.MsgspecError as error:
            raise InvalidError([Fault("", str(error))]) from error
        except (UnicodeDecodeError, RecursionError) as error:
            raise InvalidError([Fault("", "JSON is malformed: not UTF-8, or nested too deep")]) from error


def permission_guard(accounts: Accounts) -> Guard:
    """Lets in whoever has what a route asks for."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        needed = handler.opt.get("needs")
        if needed == OPEN["needs"]:
            return
        token = _token(connection)
        if token is None:
            raise UnauthenticatedError("A session is needed: log in, and send its token as bearer or cookie.")
        if _is_of_another_site(connection):
            raise ForbiddenError("The request was sent from another site.")
        identity = await accounts.identify(token)
        connection.scope["user"] = identity
        connection.scope["auth"] = token
        if needed == SIGNED_IN["needs"]:
            return
        if not isinstance(needed, tuple):
            raise ForbiddenError("Nobody may do this.")
        lacking = [permission for permission in (Permission.AUTOMATION_ACCESS, *needed) if not identity.may(permission)]
        if lacking:
            raise ForbiddenError(f"This needs the permission {lacking[0]}.")

    return guard


def _token(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    if "authorization" in connection.headers:
        return bearer_token(connection)
    return connection.cookies.get(SESSION_COOKIE)


def _is_of_another_site(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether a page of another site, or of a neighbour in our domain, changes something with a browser's cookie."""
    site = connection.headers.get("sec-fetch-site")
    is_change = connection.scope.get("method") not in {"GET", "HEAD"}
    return is_change and "authorization" not in connection.headers and site in {"cross-site", "same-site"}


def bearer_token(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The token in ``Authorization: Bearer``."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def client_address(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Where a request comes from, as the server sees it, through proxies that it trusts."""
    return connection.client.host if connection.client else ""


async def identity(request: ApiRequest) -> Identity:
    """Who asks; every route that works on a workspace takes it from here."""
    return request.user
