"""The console, wired: its pages behind its guards, and what goes wrong as a page."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment
from litestar import Request, Response, Router
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency, Provide
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from services.config.console.access import HOME, access_routes, csrf_token, form, form_guard
from services.config.console.activity import activity_router
from services.config.console.administration import administration_routers
from services.config.console.api_keys import api_key_router
from services.config.console.business_events import business_event_router
from services.config.console.dead_letters import dead_letter_router
from services.config.console.incoming import incoming_router
from services.config.console.rendering import PAGE_HEADERS, STATIC, View
from services.config.console.taking_back import taking_back_router
from services.config.console.visit import Control, Visit
from services.config.errors import UnauthenticatedError
from services.config.identity import Identity
from services.config.rest.errors import error_response

_A_YEAR_S: Final = 365 * 24 * 3600
_TITLES: Final = {
    HTTPStatus.BAD_REQUEST: "This cannot be read",
    HTTPStatus.FORBIDDEN: "You may not do this",
    HTTPStatus.NOT_FOUND: "There is nothing here",
    HTTPStatus.METHOD_NOT_ALLOWED: "There is nothing here",
    HTTPStatus.CONFLICT: "Something stands in the way",
    HTTPStatus.PRECONDITION_FAILED: "It has changed in the meantime",
    HTTPStatus.PRECONDITION_REQUIRED: "It has changed in the meantime",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "This is too much at once",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not available at the moment",
}


def console_router(control: Control, environment: Environment) -> Router:
    """All pages; what they need of the session comes from the router around it."""

    def visit(identity: NamedDependency[Identity], view: NamedDependency[View]) -> Visit:
        return Visit(identity=identity, control=control, view=view)

    return Router(
        "/",
        route_handlers=[
            *access_routes(),
            incoming_router(),
            taking_back_router(),
            activity_router(),
            business_event_router(),
            api_key_router(),
            dead_letter_router(),
            *administration_routers(),
        ],
        guards=[form_guard(control.config_url)],
        dependencies={
            "view": Provide(_view_of(environment), sync_to_thread=False),
            "form": Provide(form),
            "visit": Provide(visit, sync_to_thread=False),
        },
        exception_handlers={Exception: failure_page(environment)},
    )


def static_router() -> Router:
    """Style and script. Their URLs change with their content."""
    cache = CacheControlHeader(max_age=_A_YEAR_S, immutable=True, public=True)
    return create_static_files_router("/static", [STATIC], cache_control=cache, opt={"needs": "nothing"})


def _view_of(environment: Environment) -> Callable[[Request[Any, Any, Any]], View]:
    def view(request: Request[Any, Any, Any]) -> View:
        token, identity = request.scope.get("auth"), request.scope.get("user")
        return View(
            environment=environment,
            path=request.scope["path"],
            notice=request.query_params.get("notice", ""),
            csrf=csrf_token(token) if isinstance(token, str) else "",
            identity=identity if isinstance(identity, Identity) else None,
            takes_gzip="gzip" in request.headers.get("accept-encoding", ""),
        )

    return view


def failure_page(environment: Environment) -> Callable[[Request[Any, Any, Any], Exception], Response[Any]]:
    """What went wrong, as a page; who is not signed in is asked to."""
    view_of = _view_of(environment)

    def page(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        if isinstance(error, UnauthenticatedError):
            return Redirect(f"/sign-in?next={quote(_after(request))}", status_code=303, headers=PAGE_HEADERS)
        answer = error_response(request, error)
        content = answer.content
        page = view_of(request).page(
            "error.html",
            content.status,
            title=_TITLES.get(HTTPStatus(content.status), HTTPStatus(content.status).phrase),
            message=content.message,
            errors=content.errors,
            back=request.scope["path"].rpartition("/")[0] if request.method == "POST" else "",
        )
        page.headers = {**answer.headers, **page.headers}
        return page

    return page


def _after(request: Request[Any, Any, Any]) -> str:
    """Where somebody wanted to go, who has to sign in before."""
    if request.method != "GET":
        return HOME
    path, query = quote(request.scope["path"]), request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
