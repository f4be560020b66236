"""Requests to the API: whose they are, and their JSON bodies."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, InternalServerException
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.types import Guard

from services.config.accounts import Accounts
from services.config.errors import Fault, ForbiddenError, InvalidError, RequestError, UnauthenticatedError
from services.config.identity import Identity, Permission, Permissions
from services.config.rest.errors import fault_of

# Who asks, as a parameter of a route.
By = NamedDependency[Identity]

SESSION_COOKIE: Final = "inlet_session"
# What a route asks for. One that says nothing is closed to everybody.
OPEN: Final = {"needs": "nothing"}
SIGNED_IN: Final = {"needs": "session"}
# Beside it: nothing unknown may be in the query, which `check_query` sees to.
STRICT: Final = {"query": "strict"}
# A token of a sender, which the route looks at itself.
TOKEN: Final = {"needs": "token"}


def needs(*permissions: Permission) -> dict[str, object]:
    """A session of a user with all of these, and access at all."""
    return {"needs": (Permission.AUTOMATION_ACCESS, *permissions)}


def fails(*errors: type[RequestError]) -> dict[str, object]:
    """For the description of a route: what it may raise beside what follows from its parameters and what it needs."""
    return {"fails": errors}


def permissions_of(opt: Mapping[str, object]) -> Permissions:
    """What `needs` has said, if it has."""
    needed = opt.get("needs")
    return needed if isinstance(needed, tuple) else ()


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
            InvalidError: it is not JSON, or not of the form that the route takes; with exactly these types, where the
                framework, which goes by the same types afterwards, takes "10" for a number as in a query.
        """
        if self.content_type[0] != "application/json":
            raise ClientException(status_code=415)
        try:
            value = msgspec.json.decode(await self.body())
        except msgspec.MsgspecError as error:
            raise InvalidError([Fault("", str(error))]) from error
        except (UnicodeDecodeError, RecursionError) as error:
            raise InvalidError([Fault("", "JSON is malformed: not UTF-8, or nested too deep")]) from error
        if (taken := self.route_handler.parsed_data_field) is not None:
            try:
                msgspec.convert(value, taken.annotation)
            except msgspec.ValidationError as error:
                raise InvalidError([fault_of(error, taken.annotation)]) from error
        return value


async def check_query(request: Request[Any, Any, Any]) -> None:
    """Refuse what a route does not know in its query: a filter that is misspelt would show everything.

    Raises:
        InvalidError: names what is not known, and what is; and what is given twice where there can be one.
    """
    parameters = request.route_handler.parsed_fn_signature.parameters.items()
    known = {
        parameter.kwarg_definition.name or name: parameter
        for name, parameter in parameters
        if isinstance(parameter.kwarg_definition, QueryParameter)
    }
    named = f"there are {', '.join(known)}" if known else "there are none here"
    faults: list[Fault] = []
    for name in request.query_params:
        if name not in known:
            faults.append(Fault(name, f"is not a known parameter: {named}"))
        elif len(request.query_params.getall(name)) > 1 and not known[name].is_non_string_sequence:
            faults.append(Fault(name, "is given more than once"))
    if faults:
        raise InvalidError(faults)


def permission_guard(accounts: Accounts) -> Guard:
    """Lets in whoever has what a route asks for."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        needed = handler.opt.get("needs")
        if needed in {OPEN["needs"], TOKEN["needs"]}:
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
        permissions = permissions_of(handler.opt)
        if not permissions:
            raise ForbiddenError("Nobody may do this.")
        check_permissions(identity, permissions)

    return guard


def check_permissions(identity: Identity, needed: Sequence[Permission]) -> None:
    """Let pass who has access and all of these.

    Raises:
        ForbiddenError: one is lacking.
    """
    lacking = [permission for permission in (Permission.AUTOMATION_ACCESS, *needed) if not identity.may(permission)]
    if lacking:
        raise ForbiddenError(f"This needs the permission {lacking[0]}.")


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
