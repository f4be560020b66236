"""Getting in and out: the session's cookie, and that a form was sent from a page of ours."""

import hashlib
import hmac
import re
import secrets
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.response import Redirect
from litestar.types import Guard

from services.config.accounts import Accounts
from services.config.console.forms import Faults, Form, convert
from services.config.console.rendering import View, see
from services.config.errors import Fault, ForbiddenError, InvalidError, ThrottledError, UnauthenticatedError
from services.config.rest.errors import STATUSES
from services.config.rest.requests import OPEN, SESSION_COOKIE, ApiRequest, client_address
from services.config.rest.sessions import Login

HOME: Final = "/incoming"
_CSRF_FIELD: Final = "csrf"
_LOCAL: Final = re.compile(r"/(?!/)[!-\[\]-~]*")  # no backslash and nothing that browsers leave out


def access_routes() -> list[HTTPRouteHandler]:
    return [home, sign_in_page, sign_in, sign_out]


def csrf_token(session_token: str) -> str:
    """What a form of this session carries; nobody who does not know the session's token can make it.

    It is another one on each page: pages are compressed, so their length must not tell what all of them contain.
    """
    salt = secrets.token_hex(8)
    return f"{salt}.{_mark(session_token, salt)}"


def _is_of(session_token: str, given: str) -> bool:
    salt, _, mark = given.partition(".")
    return hmac.compare_digest(mark.encode(), _mark(session_token, salt).encode())


def _mark(session_token: str, salt: str) -> str:
    return hmac.new(session_token.encode(), b"inlet console form " + salt.encode(), hashlib.sha256).hexdigest()


def form_guard(config_url: str) -> Guard:
    """Lets a form in only if a page of ours has sent it: by what the browser says, and by the session's own mark."""
    own = urlsplit(config_url).netloc

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if not isinstance(connection, Request) or connection.method != "POST":
            return
        headers = connection.headers
        site = headers.get("sec-fetch-site")
        if site is None:  # an old browser: they all name the origin of a form
            origin = urlsplit(headers.get("origin", "")).netloc
            site = "same-origin" if origin and origin in {own, headers.get("host", "")} else "cross-site"
        if site not in {"same-origin", "none"}:
            raise ForbiddenError("The form was sent from another site.")
        token = connection.scope.get("auth")
        if isinstance(token, str):
            given = (await form(connection)).text(_CSRF_FIELD)
            if not _is_of(token, given):
                raise ForbiddenError("You have signed in anew since the form was loaded. Load it again, and repeat.")

    return guard


async def form(request: Request[Any, Any, Any]) -> Form:
    """The submitted form.

    Raises:
        InvalidError: it is none, or cannot be read.
    """
    if request.content_type[0] != "application/x-www-form-urlencoded":
        raise InvalidError([Fault("", "This is no form of the console.")])
    return Form.decode(await request.body())


@get("/", opt=OPEN, include_in_schema=False)
async def home() -> Redirect:
    return see(HOME)


@get("/sign-in", opt=OPEN, include_in_schema=False)
async def sign_in_page(view: NamedDependency[View], request: ApiRequest) -> Response[str]:
    return view.page("sign_in.html", email="", next=_local(request.query_params.get("next", "")))


@post("/sign-in", opt=OPEN, include_in_schema=False)
async def sign_in(
    request: ApiRequest,
    view: NamedDependency[View],
    accounts: NamedDependency[Accounts],
    secure_cookie: NamedDependency[bool],
) -> Response[str] | Redirect:
    given = await form(request)
    email, after = given.text("email"), _local(given.text("next"))
    try:
        login = convert({"email": email, "password": given.text("password")}, Login)
        session = await accounts.log_in(login.email, login.password, client_address(request))
    except (InvalidError, UnauthenticatedError, ThrottledError) as error:
        faults = Faults(error.faults or [Fault("", error.message)])
        return view.page("sign_in.html", STATUSES[type(error)], email=email, next=after, faults=faults)
    redirect = see(after)
    redirect.cookies = [
        Cookie(key=SESSION_COOKIE, value=session.token, httponly=True, samesite="lax", secure=secure_cookie)
    ]
    return redirect


@post("/sign-out", opt=OPEN, include_in_schema=False)
async def sign_out(request: ApiRequest, accounts: NamedDependency[Accounts]) -> Redirect:
    """Whoever it is: a session that has ended already is no reason to stay."""
    token = request.cookies.get(SESSION_COOKIE)
    if token is not None:
        await accounts.log_out(token)
    redirect = see("/sign-in", "signed-out")
    redirect.delete_cookie(SESSION_COOKIE)
    return redirect


def _local(path: str) -> str:
    """A path of this service; a link cannot send anybody elsewhere."""
    return path if _LOCAL.fullmatch(path) else HOME
