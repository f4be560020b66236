"""Pages: Settings > API keys."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from services.config.api_keys import ApiKeyChanges, NewApiKey
from services.config.console.administration import ADMIN
from services.config.console.forms import Form, convert, moment_in, revision_in
from services.config.console.incoming import READ
from services.config.console.once import COOKIE, Once, show_once, to_show
from services.config.console.paging import cursor_in
from services.config.console.rendering import see
from services.config.console.visit import Visit
from services.config.errors import RequestError
from services.config.rest.requests import ApiRequest

_PAGE_SIZE: Final = 50
_HERE: Final = "/api-keys"
_EXECUTE: Final = "INCOMING_WEBHOOK_EXECUTE"


def api_key_router() -> Router:
    handlers = [keys_page, create_key, key_page, change_key, revoke_key]
    return Router(_HERE, route_handlers=handlers, include_in_schema=False)


@get("/", opt=READ)
async def keys_page(
    request: ApiRequest,
    visit: NamedDependency[Visit],
) -> Response[str]:
    made = to_show(visit, _HERE, request)
    page = await _keys(visit, cursor_in(request), made=made)
    if made:
        page.delete_cookie(COOKIE, path=_HERE)
    return page


@post("/", opt=ADMIN)
async def create_key(
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    """The secret is on the page that this leads to, and never again."""
    try:
        made = await visit.control.api_keys.create(visit.identity, convert(_key_fields(form), NewApiKey))
    except RequestError as error:
        return await _keys(visit, None, error=error, form=form)
    return show_once(visit, _HERE, Once(id=made.key.id, secret=made.secret))


@get("/{key_id:uuid}", opt=READ)
async def key_page(
    key_id: FromPath[UUID],
    visit: NamedDependency[Visit],
) -> Response[str]:
    return await _key(visit, str(key_id))


@post("/{key_id:uuid}", opt=ADMIN)
async def change_key(
    key_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    try:
        fields = _key_fields(form)
        key = await visit.control.api_keys.get(visit.identity, str(key_id))
        if key.expires_at is not None and form.text("expiresAt") == _minute(key.expires_at):
            del fields["expiresAt"]  # untouched, and it may be over
        await visit.control.api_keys.change(
            visit.identity, str(key_id), convert(fields, ApiKeyChanges), revision_in(form)
        )
    except RequestError as error:
        return await _key(visit, str(key_id), error=error, form=form)
    return see(f"{_HERE}/{key_id}", "changed")


@post("/{key_id:uuid}/revoke", opt=ADMIN)
async def revoke_key(
    key_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Redirect:
    await visit.control.api_keys.revoke(visit.identity, str(key_id), revision_in(form))
    return see(_HERE, "revoked")


async def _keys(
    visit: Visit,
    cursor: str | None,
    *,
    error: RequestError | None = None,
    form: Form | None = None,
    made: Once | None = None,
) -> Response[str]:
    found = await visit.control.api_keys.page(visit.identity, _PAGE_SIZE, cursor)
    return visit.page(
        "api_keys.html",
        error,
        keys=found.items,
        next_cursor=found.next_cursor,
        now=datetime.now(UTC),
        made=made,
        form=form or Form({"execute": ["on"]}),
    )


async def _key(visit: Visit, key_id: str, error: RequestError | None = None, form: Form | None = None) -> Response[str]:
    key = await visit.control.api_keys.get(visit.identity, key_id)
    shown = form or Form({
        "name": [key.name],
        "execute": ["on"] if _EXECUTE in key.permissions else [],
        "expiresAt": [_minute(key.expires_at) if key.expires_at else ""],
        "allowedIps": ["\n".join(key.allowed_ips)],
    })  # fmt: skip
    used_by = await visit.control.api_keys.used_by(visit.identity, key.id)
    return visit.page("api_key.html", error, key=key, form=shown, used_by=used_by, now=datetime.now(UTC))


def _key_fields(form: Form) -> dict[str, object]:
    return {
        "name": form.text("name"),
        "permissions": [_EXECUTE] if form.text("execute") else [],
        "expiresAt": moment_in(form, "expiresAt"),
        "allowedIps": form.lines("allowedIps"),
    }


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
