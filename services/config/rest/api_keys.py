"""Routes: API keys."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct
from msgspec.structs import asdict

from services.config.advice import advice_on_key
from services.config.api_keys import ApiKeyChanges, ApiKeys, NewApiKey
from services.config.definitions import ApiKey, Time
from services.config.errors import ConflictError, Fault
from services.config.identity import Permission
from services.config.rest.paging import DEFAULT_LIMIT, Cursor, Limit, before
from services.config.rest.preconditions import IfMatch, Tagged
from services.config.rest.requests import By, fails, needs
from services.config.revisions import expected

Id = FromPath[UUID]
Rules = NamedDependency[ApiKeys]


class ApiKeyAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """An API key, without its secret; `prefix` is how that begins, and `warnings` tell if it lacks what it is for."""

    id: str
    name: str
    prefix: str
    state: Literal["active", "expired", "revoked"]
    permissions: Sequence[str]
    warnings: Sequence[Fault]
    allowed_ips: Sequence[str]
    expires_at: Time | None
    revoked_at: Time | None
    created_at: Time
    updated_at: Time


class NewApiKeyAnswer(ApiKeyAnswer, frozen=True, kw_only=True, rename="camel"):
    """The secret is shown only here."""

    secret: str


class ApiKeysAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page, the newest first; `next_cursor` is null on the last one."""

    items: Sequence[ApiKeyAnswer]
    next_cursor: str | None


def api_key_router() -> Router:
    return Router("/api-keys", route_handlers=[create, page, read, change, revoke], tags=["API keys"])


@post("/", opt=needs(Permission.ADMIN), summary="Create an API key")
async def create(data: JSONBody[NewApiKey], identity: By, api_keys: Rules) -> Tagged[NewApiKeyAnswer]:
    """Its secret is shown only in this answer."""
    made = await api_keys.create(identity, data)
    return Tagged(NewApiKeyAnswer(**asdict(_answer(made.key)), secret=made.secret), made.key, 201)


@get("/", opt=needs(Permission.INTEGRATIONS_READ), summary="List the API keys")
async def page(identity: By, api_keys: Rules, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> ApiKeysAnswer:
    """The newest first, revoked ones too."""
    found = await api_keys.page(identity, limit, before(cursor))
    return ApiKeysAnswer(items=[_answer(one) for one in found.items], next_cursor=found.next_cursor)


@get("/{key_id:uuid}", opt=needs(Permission.INTEGRATIONS_READ), summary="Read an API key")
async def read(key_id: Id, identity: By, api_keys: Rules) -> Tagged[ApiKeyAnswer]:
    """Everything but the secret."""
    key = await api_keys.get(identity, str(key_id))
    return Tagged(_answer(key), key)


@patch("/{key_id:uuid}", opt=needs(Permission.ADMIN) | fails(ConflictError), summary="Change an API key")
async def change(
    key_id: Id, data: JSONBody[ApiKeyChanges], identity: By, api_keys: Rules, if_match: IfMatch = None
) -> Tagged[ApiKeyAnswer]:
    """Only the fields given; in force at every ingress within a second."""
    key = await api_keys.change(identity, str(key_id), data, expected(if_match))
    return Tagged(_answer(key), key)


@delete("/{key_id:uuid}", opt=needs(Permission.ADMIN), summary="Revoke an API key")
async def revoke(key_id: Id, identity: By, api_keys: Rules, if_match: IfMatch = None) -> None:
    """For good: its tokens are refused at every ingress within a second. It stays in the list."""
    await api_keys.revoke(identity, str(key_id), expected(if_match))


def _answer(key: ApiKey) -> ApiKeyAnswer:
    return ApiKeyAnswer(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        state=_state(key),
        permissions=key.permissions,
        warnings=advice_on_key(key),
        allowed_ips=key.allowed_ips,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        created_at=key.created_at,
        updated_at=key.updated_at,
    )


def _state(key: ApiKey) -> Literal["active", "expired", "revoked"]:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= datetime.now(UTC) else "active"
