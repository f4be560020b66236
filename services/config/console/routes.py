"""The console, wired: its pages behind its guards, and what goes wrong as a page."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from litestar import Request, Response, Router
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency, Provide
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from services.config.console.access import access_routes, csrf_token, form, form_guard
from services.config.console.administration import administration_routers
from services.config.console.business_events import business_event_router
from services.config.console.incoming import incoming_router
from services.config.console.rendering import HEADERS, STATIC, View
from services.config.console.visit import Control, Visit
from services.config.errors import UnauthenticatedError
from services.config.identity import Identity
from services.config.rest.errors import error_response

_A_YEAR_S = 365 * 24 * 3600


def console_router(control: Control, environment: Environment) -> Router:
    """All pages; what they need of the session comes from the router around it."""

    def visit(identity: NamedDependency[Identity], view: NamedDependency[View]) -> Visit:
        return Visit(identity=identity, control=control, view=view)

    return Router(
        "/",
        route_handlers=[
            *access_routes(),
            incoming_router(),
            business_event_router(),
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
        )

    return view


def failure_page(environment: Environment) -> Callable[[Request[Any, Any, Any], Exception], Response[Any]]:
    """What went wrong, as a page; who is not signed in is asked to."""
    view_of = _view_of(environment)

    def page(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        if isinstance(error, UnauthenticatedError):
            after = request.scope["path"] if request.method == "GET" else "/"
            return Redirect(f"/sign-in?next={quote(after)}", status_code=303, headers=HEADERS)
        answer = error_response(request, error)
        content = answer.content
        page = view_of(request).page(
            "error.html",
            content.status,
            title=HTTPStatus(content.status).phrase,
            message=content.message,
            errors=content.errors,
        )
        if answer.headers:
            page.headers = {**answer.headers, **HEADERS}
        return page

    return page
