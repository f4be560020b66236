"""Pages: the activity of an integration, and why one event was treated as it was."""

import asyncio
from typing import Final
from uuid import UUID

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from services.config.console import explained
from services.config.console.chart import HEIGHT, WIDTH, chart_of
from services.config.console.incoming import READ
from services.config.console.paging import cursor_in
from services.config.console.rendering import see
from services.config.console.visit import Visit
from services.config.errors import NotFoundError, SplitError
from services.config.rest.requests import ApiRequest

_PAGE_SIZE: Final = 50


def activity_router() -> Router:
    handlers = [activity_page, explanation_page, find]
    return Router("/incoming/{integration_id:uuid}", route_handlers=handlers, include_in_schema=False)


@get("/activity", opt=READ)
async def activity_page(
    integration_id: FromPath[UUID], request: ApiRequest, visit: NamedDependency[Visit]
) -> Response[str]:
    identity, control = visit.identity, visit.control
    integration = await control.integrations.get(identity, str(integration_id))
    found = await control.activity.page(identity, integration.id, _PAGE_SIZE, cursor_in(request))
    series = await control.activity.series(identity, integration.id)
    return visit.page(
        "activity.html",
        integration=integration,
        entries=found.items,
        next_cursor=found.next_cursor,
        chart=chart_of(series),
        width=WIDTH,
        height=HEIGHT,
    )


@get("/activity/{event_id:uuid}", opt=READ)
async def explanation_page(
    integration_id: FromPath[UUID], event_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[str]:
    identity, control = visit.identity, visit.control
    integration = await control.integrations.get(identity, str(integration_id))
    try:
        explanation = await control.explanations.of(identity, str(event_id), integration.id)
    except SplitError as split:
        known = await control.activity.among_latest(identity, integration.id, set(split.event_ids))
        events = [(one, known.get(one)) for one in split.event_ids]
        return visit.page("split_request.html", integration=integration, request_id=event_id, events=events)
    shown = await asyncio.to_thread(explained.shown, explanation)
    return visit.page("explanation.html", integration=integration, explanation=explanation, excerpt=shown)


@get("/find", opt=READ)
async def find(integration_id: FromPath[UUID], request: ApiRequest) -> Redirect:
    """From the field for an id to the page of the event."""
    try:
        event_id = UUID(request.query_params.get("event", "").strip())
    except ValueError as error:
        raise NotFoundError("An event has an id such as 01947a3e-5b8c-7def-8123-456789abcdef.") from error
    return see(f"/incoming/{integration_id}/activity/{event_id}")
