"""Pages: Automation Hub > Business Events. The list, and the condition builder with its test."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from msgspec import Struct

from libs.filters import Explanation, Outcome, parse
from libs.parameters import flatten
from services.config.business_events import BusinessEventChanges, NewBusinessEvent, Trial
from services.config.console import filter_form
from services.config.console.filter_form import Group
from services.config.console.forms import Form, convert
from services.config.console.incoming import READ, WRITE, revision_in
from services.config.console.paging import cursor_in
from services.config.console.rendering import see
from services.config.console.visit import Visit
from services.config.definitions import BusinessEvent, Integration
from services.config.errors import Fault, InvalidError, NotFoundError, RequestError
from services.config.rest.requests import ApiRequest

_PAGE_SIZE: Final = 50
_SUGGESTIONS_LIMIT: Final = 500
_SAMPLE_LIMIT_BYTES: Final = 16 * 1024


class Builder(Struct, frozen=True, kw_only=True):
    """What the builder shows: the tree as it is typed, what was said of it, and where to go on typing."""

    tree: Group
    name: str = ""
    headers: str = ""
    body: str = ""
    focus: str = ""
    explanation: Explanation | None = None
    # By place.
    outcomes: Mapping[str, Outcome] = {}
    places: Mapping[str, str] = {}


def business_event_router() -> Router:
    handlers = [list_page, new_page, create, page, save, activate, pause, delete_page, remove]
    return Router("/business-events", route_handlers=handlers, include_in_schema=False)


@get("/", opt=READ)
async def list_page(
    request: ApiRequest,
    visit: NamedDependency[Visit],
) -> Response[str]:
    integration_id = request.query_params.get("integration")
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
    if chosen is None:
        integrations = await visit.control.integrations.page(visit.identity, 100, None)
        return visit.page("choose_integration.html", integrations=integrations)
    integration = await visit.control.integrations.get(visit.identity, chosen)
    builder = await _with_sample(visit, integration.id, Builder(tree=Group(parts=(filter_form.Row(),))))
    return await _show(visit, integration, builder)


@post("/new", opt=WRITE)
async def create(
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    integration = await visit.control.integrations.get(visit.identity, form.text("integrationId"))
    if form.intent != "save":
        return await _worked_on(visit, form, integration)
    builder = _read(form)
    try:
        fields = {"name": builder.name, "integrationId": integration.id, "where": filter_form.source_of(builder.tree)}
        made = await visit.control.business_events.create(visit.identity, convert(fields, NewBusinessEvent))
    except RequestError as error:
        return await _show(visit, integration, builder, error=error)
    return see(f"/business-events/{made.id}", "created")


@get("/{event_id:uuid}", opt=READ)
async def page(
    event_id: FromPath[UUID],
    visit: NamedDependency[Visit],
) -> Response[str]:
    event = await visit.control.business_events.get(visit.identity, str(event_id))
    integration = await visit.control.integrations.get(visit.identity, event.integration_id)
    builder = Builder(tree=filter_form.tree_of(parse(event.where)), name=event.name)
    builder = await _with_sample(visit, integration.id, builder)
    return await _show(visit, integration, builder, event=event)


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
    builder = _read(form)
    try:
        fields = {"name": builder.name, "where": filter_form.source_of(builder.tree)}
        changes = convert(fields, BusinessEventChanges)
        await visit.control.business_events.change(visit.identity, event.id, changes, revision_in(form))
    except RequestError as error:
        return await _show(visit, integration, builder, event=event, error=error)
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
    event = await visit.control.business_events.get(visit.identity, str(event_id))
    return visit.page("delete_business_event.html", event=event)


@post("/{event_id:uuid}/delete", opt=WRITE)
async def remove(
    event_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Redirect:
    await visit.control.business_events.delete(visit.identity, str(event_id), revision_in(form))
    return see("/business-events", "deleted")


async def _worked_on(
    visit: Visit,
    form: Form,
    integration: Integration,
    event: BusinessEvent | None = None,
) -> Response[str]:
    """The page after a button that changes the tree, or tests it; nothing is stored."""
    builder = _read(form)
    if form.intent != "test":
        tree, focus = filter_form.changed(builder.tree, form.intent)
        builder = msgspec.structs.replace(builder, tree=tree, focus=focus)
        return await _show(visit, integration, builder, event=event, revision=form.text("revision"))
    try:
        explanation = await visit.control.business_events.try_out(visit.identity, _trial(builder))
    except RequestError as error:
        return await _show(visit, integration, builder, event=event, error=error)
    places = filter_form.source_paths(builder.tree)
    outcomes = {places[one.path]: one for one in explanation.outcomes if one.path in places}
    builder = msgspec.structs.replace(builder, explanation=explanation, outcomes=outcomes)
    return await _show(visit, integration, builder, event=event, revision=form.text("revision"))


def _trial(builder: Builder) -> Trial:
    try:
        body = msgspec.json.decode(builder.body, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidError([Fault("sample.body", f"is not a JSON object: {error}")]) from error
    pairs = [line.partition(":") for line in builder.headers.splitlines() if line.strip()]
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    return convert({"where": filter_form.source_of(builder.tree), "sample": {"body": body, "headers": headers}}, Trial)


def _read(form: Form) -> Builder:
    return Builder(
        tree=filter_form.read(form), name=form.text("name"), headers=form.text("headers"), body=form.text("body")
    )


async def _with_sample(visit: Visit, integration_id: str, builder: Builder) -> Builder:
    """With the captured sample to test on, if it is not too long for a page."""
    sample = await _sample(visit, integration_id)
    if sample is None or len(sample[1]) > _SAMPLE_LIMIT_BYTES:
        return builder
    headers, body = sample
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    return msgspec.structs.replace(builder, headers=lines, body=msgspec.json.format(body, indent=2).decode())


async def _sample(visit: Visit, integration_id: str) -> tuple[Mapping[str, str], bytes] | None:
    try:
        capture, _ = await visit.control.captures.get(visit.identity, integration_id)
    except NotFoundError:
        return None
    return None if capture.sample is None else (capture.sample.headers, bytes(capture.sample.body))


async def _suggestions(visit: Visit, integration_id: str) -> Sequence[str]:
    """The parameters of the captured sample."""
    sample = await _sample(visit, integration_id)
    if sample is None:
        return ()
    headers, body = sample
    return list(flatten(dict(headers), msgspec.json.decode(body)))[:_SUGGESTIONS_LIMIT]


async def _show(
    visit: Visit,
    integration: Integration,
    builder: Builder,
    *,
    event: BusinessEvent | None = None,
    error: RequestError | None = None,
    revision: str = "",
) -> Response[str]:
    if error is not None:
        # Faults of the filter are said beside the row that they are about.
        places = filter_form.source_paths(builder.tree)
        builder = msgspec.structs.replace(builder, places=places)
    faults = () if error is None else error.faults or [Fault("", error.message)]
    return visit.page(
        "business_event.html",
        error,
        integration=integration,
        event=event,
        builder=builder,
        by_place=_by_place(faults, builder),
        suggestions=await _suggestions(visit, integration.id),
        revision=revision or ("" if event is None else str(event.revision)),
    )


def _by_place(faults: Sequence[Fault], builder: Builder) -> Mapping[str, Sequence[str]]:
    """What is wrong with each node, by its place: that of the longest path that the fault's begins with."""
    found: dict[str, list[str]] = {}
    for fault in faults:
        path = fault.field
        while path and path not in builder.places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        if path:
            rest = fault.field[len(path) :].lstrip(".")
            found.setdefault(builder.places[path], []).append(f"{rest}: {fault.message}" if rest else fault.message)
    return found
