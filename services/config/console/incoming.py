"""Pages: Automation Hub > Incoming. The list, an integration with its sections, and what can be done with it."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from services.config.console import integration_form
from services.config.console.captured import shown_capture
from services.config.console.forms import Faults, Form, revision_in
from services.config.console.integration_form import AUTH_NAMES, HASH_HEADER, IntegrationForm
from services.config.console.paging import cursor_in
from services.config.console.rendering import see
from services.config.console.visit import Visit
from services.config.definitions import Integration
from services.config.errors import ConflictError, OutdatedError, RequestError
from services.config.identity import Permission
from services.config.rest.requests import ApiRequest, needs

_PAGE_SIZE: Final = 50
_UNCONFIRMED: Final = "Business Events listen to it that you have not confirmed: look at the list again."

READ: Final = needs(Permission.INTEGRATIONS_READ)
WRITE: Final = needs(Permission.INTEGRATIONS_WRITE)
PUBLISH: Final = needs(Permission.INTEGRATIONS_WRITE, Permission.INTEGRATIONS_PUBLISH)


def incoming_router() -> Router:
    handlers = [
        *(list_page, new_page, create, page, save, save_and_publish),
        *(retrieve, cancel_capture, delete_page, remove),
    ]
    return Router("/incoming", route_handlers=handlers, include_in_schema=False)


@get("/", opt=READ)
async def list_page(
    request: ApiRequest,
    visit: NamedDependency[Visit],
) -> Response[str]:
    search = request.query_params.get("q", "").strip()
    found = await visit.control.integrations.page(visit.identity, _PAGE_SIZE, cursor_in(request), search)
    return visit.page(
        "incoming.html",
        search=search,
        integrations=found.items,
        summaries=await visit.control.activity.summaries(visit.identity, [one.id for one in found.items]),
        next_cursor=found.next_cursor,
        kind_of=integration_form.kind_of,
        auth_names=AUTH_NAMES,
    )


@get("/new", opt=WRITE)
async def new_page(
    request: ApiRequest,
    visit: NamedDependency[Visit],
) -> Response[str]:
    kind = request.query_params.get("auth", "")
    if kind not in AUTH_NAMES:
        return visit.page("choose_authentication.html", auth_names=AUTH_NAMES)
    return await _new(visit, IntegrationForm(kind=kind))


@post("/new", opt=WRITE)
async def create(
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    kind = form.text("kind")
    fields = integration_form.read(form, kind if kind in AUTH_NAMES else "none")
    try:
        made = await visit.control.integrations.create(visit.identity, integration_form.new_integration(fields, form))
    except RequestError as error:
        return await _new(visit, fields, error)
    return see(_at(made.id), "applied", "data")


@get("/{integration_id:uuid}", opt=READ)
async def page(
    integration_id: FromPath[UUID],
    request: ApiRequest,
    visit: NamedDependency[Visit],
) -> Response[str]:
    integration = await visit.control.integrations.get(visit.identity, str(integration_id))
    return await _show(visit, integration, open_sections=(request.query_params.get("open", ""),))


@post("/{integration_id:uuid}", opt=WRITE)
async def save(
    integration_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    """Take the fields of all sections into the draft; Apply and Save differ in where they lead to."""
    saved = await _saved(str(integration_id), visit, form)
    if not isinstance(saved, Integration):
        return saved
    return see(_at(saved.id), "saved" if form.intent == "save" else "applied")


@post("/{integration_id:uuid}/publish", opt=PUBLISH)
async def save_and_publish(
    integration_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    saved = await _saved(str(integration_id), visit, form)
    if not isinstance(saved, Integration):
        return saved
    try:
        await visit.control.integrations.publish(visit.identity, saved.id, frozenset({saved.revision}))
    except RequestError as error:
        return await _show(visit, saved, error=error)
    return see(_at(saved.id), "published")


@post("/{integration_id:uuid}/retrieve", opt=WRITE)
async def retrieve(
    integration_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    """Retrieve data, with the authentication that the draft has then."""
    saved = await _saved(str(integration_id), visit, form)
    if not isinstance(saved, Integration):
        return saved
    await visit.control.captures.arm(visit.identity, saved.id)
    return see(_at(saved.id), section="data")


@post("/{integration_id:uuid}/cancel-capture", opt=WRITE)
async def cancel_capture(
    integration_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    """End it, whatever else was sent; that is kept as `retrieve` does."""
    await visit.control.captures.cancel(visit.identity, str(integration_id))
    saved = await _saved(str(integration_id), visit, form)
    return see(_at(saved.id), section="data") if isinstance(saved, Integration) else saved


@get("/{integration_id:uuid}/delete", opt=WRITE)
async def delete_page(
    integration_id: FromPath[UUID],
    visit: NamedDependency[Visit],
) -> Response[str]:
    """What depends on it, before it goes."""
    return await _deletion(visit, str(integration_id))


@post("/{integration_id:uuid}/delete", opt=WRITE)
async def remove(
    integration_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    confirmed = form.text("businessEvents").split() if form.text("withBusinessEvents") else []
    try:
        await visit.control.integrations.delete(visit.identity, str(integration_id), revision_in(form), set(confirmed))
    except ConflictError:
        return await _deletion(visit, str(integration_id), ConflictError(_UNCONFIRMED))
    except OutdatedError as error:
        return await _deletion(visit, str(integration_id), error)
    return see("/incoming", "deleted")


def _at(integration_id: str) -> str:
    return f"/incoming/{integration_id}"


async def _saved(integration_id: str, visit: Visit, form: Form) -> Integration | Response[str]:
    """The integration with what was sent in its draft; or the page that says what is wrong, with what was typed."""
    before = await visit.control.integrations.get(visit.identity, integration_id)
    fields = integration_form.read(form, integration_form.kind_of(before.draft))
    try:
        changes = integration_form.changes(fields, form)
        return await visit.control.integrations.change(visit.identity, integration_id, changes, revision_in(form))
    except RequestError as error:
        is_overtaken = isinstance(error, OutdatedError)
        differing = integration_form.differing_sections(fields, before.draft, form) if is_overtaken else ()
        return await _show(
            visit, before, error=error, fields=fields, revision=form.text("revision"), open_sections=differing
        )


async def _new(visit: Visit, fields: IntegrationForm, error: RequestError | None = None) -> Response[str]:
    return visit.page(
        "new_integration.html",
        error,
        fields=fields,
        api_keys=await visit.usable_keys(fields.api_key_id),
        auth_names=AUTH_NAMES,
    )


async def _deletion(visit: Visit, integration_id: str, error: RequestError | None = None) -> Response[str]:
    integration = await visit.control.integrations.get(visit.identity, integration_id)
    listeners = await visit.control.integrations.listeners(visit.identity, integration.id)
    return visit.page("delete_integration.html", error, integration=integration, listeners=listeners, shown=_PAGE_SIZE)


async def _show(
    visit: Visit,
    integration: Integration,
    *,
    open_sections: Collection[str] = (),
    error: RequestError | None = None,
    fields: IntegrationForm | None = None,
    revision: str = "",
) -> Response[str]:
    shown = fields or integration_form.shown(integration.draft)
    capture = await shown_capture(visit, integration)
    warnings = Faults(await visit.control.integrations.warnings_of(visit.identity, integration))
    rules = integration.draft.deduplication
    chosen = {f"deduplication.parameters[{n}]": one for n, one in enumerate(rules.parameters if rules else ())}
    return visit.page(
        "integration.html",
        error,
        integration=integration,
        revision=revision or str(integration.revision),
        fields=shown,
        warnings=warnings.of("deduplication.parameters"),
        chosen=chosen,
        capture=capture,
        url=visit.control.ingress_url.of(integration.id),
        login_url=f"{visit.control.config_url}/uauth/v2/auth/login/profile",
        open_sections=open_sections,
        api_keys=await visit.usable_keys(shown.api_key_id),
        listeners=await visit.control.business_events.page(visit.identity, _PAGE_SIZE, None, integration.id),
        auth_names=AUTH_NAMES,
        hash_header=HASH_HEADER,
    )
