"""Pages: Automation Hub > Business Events. The list, and the condition builder with its test."""

from typing import Final
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from libs.filters import parse
from services.config.business_events import BusinessEventChanges, NewBusinessEvent
from services.config.console import builder, filter_form
from services.config.console.builder import Builder
from services.config.console.captured import shown_capture
from services.config.console.filter_form import Group, Row
from services.config.console.forms import Form, convert, revision_in
from services.config.console.incoming import READ, WRITE
from services.config.console.paging import cursor_in, id_in
from services.config.console.rendering import see
from services.config.console.visit import Visit
from services.config.definitions import BusinessEvent, Integration
from services.config.errors import OutdatedError, RequestError
from services.config.rest.requests import ApiRequest

_PAGE_SIZE: Final = 50
_CHOICES: Final = 50


def business_event_router() -> Router:
    handlers = [list_page, new_page, create, page, save, activate, pause, delete_page, remove]
    return Router("/business-events", route_handlers=handlers, include_in_schema=False)


@get("/", opt=READ)
async def list_page(
    request: ApiRequest,
    visit: NamedDependency[Visit],
) -> Response[str]:
    asked = request.query_params.get("integration")
    integration_id = id_in(asked) if asked else None
    cursor = cursor_in(request)
    found = await visit.control.business_events.page(visit.identity, _PAGE_SIZE, cursor, integration_id)
    names = await visit.control.integrations.names(visit.identity, {one.integration_id for one in found.items})
    return visit.page(
        "business_events.html",
        business_events=found.items,
        next_cursor=found.next_cursor,
        names=names,
        integration_id=integration_id,
    )


@get("/new", opt=WRITE)
async def new_page(
    request: ApiRequest,
    visit: NamedDependency[Visit],
) -> Response[str]:
    chosen = request.query_params.get("integration")
    if not chosen:
        search = request.query_params.get("q", "").strip()
        integrations = await visit.control.integrations.page(visit.identity, _CHOICES, cursor_in(request), search)
        return visit.page("choose_integration.html", integrations=integrations, search=search)
    integration = await visit.control.integrations.get(visit.identity, id_in(chosen))
    return await _show(visit, integration, Builder(tree=Group(parts=(Row(),))))


@post("/new", opt=WRITE)
async def create(
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    integration = await visit.control.integrations.get(visit.identity, id_in(form.text("integrationId")))
    if form.intent != "save":
        return await _worked_on(visit, form, integration)
    sent = builder.read(form)
    try:
        fields = {"name": sent.name, "integrationId": integration.id, "where": filter_form.source_of(sent.tree)}
        made = await visit.control.business_events.create(visit.identity, convert(fields, NewBusinessEvent))
    except RequestError as error:
        return await _show(visit, integration, sent, error=error)
    return see(f"/business-events/{made.id}", "created")


@get("/{event_id:uuid}", opt=READ)
async def page(
    event_id: FromPath[UUID],
    visit: NamedDependency[Visit],
) -> Response[str]:
    event = await visit.control.business_events.get(visit.identity, str(event_id))
    integration = await visit.control.integrations.get(visit.identity, event.integration_id)
    tree = filter_form.tree_of(parse(event.where))
    opened = Builder(tree=tree, name=event.name, revision=str(event.revision))
    return await _show(visit, integration, opened, event=event)


@post("/{event_id:uuid}", opt=WRITE)
async def save(
    event_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    event = await visit.control.business_events.get(visit.identity, str(event_id))
    integration = await visit.control.integrations.get(visit.identity, event.integration_id)
    if form.intent != "save":
        return await _worked_on(visit, form, integration, event)
    sent = builder.read(form)
    try:
        fields = {"name": sent.name, "where": filter_form.source_of(sent.tree)}
        changes = convert(fields, BusinessEventChanges)
        await visit.control.business_events.change(visit.identity, event.id, changes, revision_in(form))
    except RequestError as error:
        return await _show(visit, integration, sent, event=event, error=error)
    return see(f"/business-events/{event.id}", "changed")


@post("/{event_id:uuid}/activate", opt=WRITE)
async def activate(
    event_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Redirect:
    await visit.control.business_events.activate(visit.identity, str(event_id), revision_in(form))
    return see(f"/business-events/{event_id}", "activated")


@post("/{event_id:uuid}/pause", opt=WRITE)
async def pause(
    event_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Redirect:
    await visit.control.business_events.pause(visit.identity, str(event_id), revision_in(form))
    return see(f"/business-events/{event_id}", "paused")


@get("/{event_id:uuid}/delete", opt=WRITE)
async def delete_page(
    event_id: FromPath[UUID],
    visit: NamedDependency[Visit],
) -> Response[str]:
    return await _deletion(visit, str(event_id))


@post("/{event_id:uuid}/delete", opt=WRITE)
async def remove(
    event_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    try:
        await visit.control.business_events.delete(visit.identity, str(event_id), revision_in(form))
    except OutdatedError as error:
        return await _deletion(visit, str(event_id), error)
    return see("/business-events", "deleted")


async def _deletion(visit: Visit, event_id: str, error: RequestError | None = None) -> Response[str]:
    event = await visit.control.business_events.get(visit.identity, event_id)
    return visit.page("delete_business_event.html", error, event=event)


async def _worked_on(
    visit: Visit,
    form: Form,
    integration: Integration,
    event: BusinessEvent | None = None,
) -> Response[str]:
    """The page after a button that changes the tree, or tests it; nothing is stored."""
    sent = builder.read(form)
    if form.intent != "test":
        return await _show(visit, integration, builder.stepped(sent, form.intent), event=event)
    try:
        verdict = await visit.control.business_events.try_out(visit.identity, builder.trial(sent, integration.id))
    except RequestError as error:
        return await _show(visit, integration, sent, event=event, error=error)
    return await _show(visit, integration, builder.tried(sent, verdict), event=event)


async def _show(
    visit: Visit,
    integration: Integration,
    shown: Builder,
    *,
    event: BusinessEvent | None = None,
    error: RequestError | None = None,
) -> Response[str]:
    capture = await shown_capture(visit, integration)
    sample = None if capture is None else capture.sample
    if not shown.is_sent:
        shown = builder.opened(shown, sample)
    general, by_place = builder.sorted_faults(shown.tree, error)
    return visit.page(
        "business_event.html",
        error,
        integration=integration,
        event=event,
        builder=shown,
        by_place=by_place,
        summary=general,
        sample=sample,
    )
