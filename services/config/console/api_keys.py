"""Pages: Settings > API keys."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from services.config.api_keys import ApiKeyChanges, MadeApiKey, NewApiKey
from services.config.console.administration import ADMIN
from services.config.console.forms import Form, convert, moment_in, revision_in
from services.config.console.incoming import READ
from services.config.console.paging import cursor_in
from services.config.console.rendering import see
from services.config.console.visit import Visit
from services.config.definitions import ApiKey
from services.config.errors import RequestError
from services.config.rest.requests import ApiRequest

_PAGE_SIZE: Final = 50
_EXECUTE: Final = "INCOMING_WEBHOOK_EXECUTE"


def api_key_router() -> Router:
    handlers = [keys_page, create_key, key_page, change_key, revoke_key]
    return Router("/api-keys", route_handlers=handlers, include_in_schema=False)


@get("/", opt=READ)
async def keys_page(
    request: ApiRequest,
    visit: NamedDependency[Visit],
) -> Response[str]:
    return await _keys(visit, cursor_in(request))


@post("/", opt=ADMIN)
async def create_key(
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str]:
    """The secret is on the page that answers, and never again."""
    try:
        made = await visit.control.api_keys.create(visit.identity, convert(_key_fields(form), NewApiKey))
    except RequestError as error:
        return await _keys(visit, None, error=error, form=form)
    return await _keys(visit, None, made=made)


@get("/{key_id:uuid}", opt=READ)
async def key_page(
    key_id: FromPath[UUID],
    visit: NamedDependency[Visit],
) -> Response[str]:
    return _key(visit, await visit.control.api_keys.get(visit.identity, str(key_id)))


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
        return _key(visit, await visit.control.api_keys.get(visit.identity, str(key_id)), error=error, form=form)
    return see(f"/api-keys/{key_id}", "changed")


@post("/{key_id:uuid}/revoke", opt=ADMIN)
async def revoke_key(
    key_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Redirect:
    await visit.control.api_keys.revoke(visit.identity, str(key_id), revision_in(form))
    return see("/api-keys", "revoked")


async def _keys(
    visit: Visit,
    cursor: str | None,
    *,
    error: RequestError | None = None,
    form: Form | None = None,
    made: MadeApiKey | None = None,
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


def _key(visit: Visit, key: ApiKey, error: RequestError | None = None, form: Form | None = None) -> Response[str]:
    shown = form or Form({
        "name": [key.name],
        "execute": ["on"] if _EXECUTE in key.permissions else [],
        "expiresAt": [_minute(key.expires_at) if key.expires_at else ""],
        "allowedIps": ["\n".join(key.allowed_ips)],
    })  # fmt: skip
    return visit.page("api_key.html", error, key=key, form=shown, now=datetime.now(UTC))


def _key_fields(form: Form) -> dict[str, object]:
    return {
        "name": form.text("name"),
        "permissions": [_EXECUTE] if form.text("execute") else [],
        "expiresAt": moment_in(form, "expiresAt"),
        "allowedIps": form.lines("allowedIps"),
    }


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
