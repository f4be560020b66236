"""Routes: integrations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from libs import messages
from services.config.definitions import Integration
from services.config.drafts import IntegrationChanges, NewIntegration
from services.config.identity import Identity
from services.config.integrations import Integrations
from services.config.rest.paging import DEFAULT_LIMIT, Cursor, Limit, before


class IntegrationAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """The draft of an integration, and whether and as which version one of its drafts is live."""

    id: str
    name: str
    icon: str | None
    state: Literal["draft", "published"]
    has_unpublished_changes: bool
    version: int
    url: str
    auth: messages.NoAuth
    deduplication: messages.Deduplication | None
    created_at: datetime
    updated_at: datetime


class IntegrationsAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page, the newest first; `next_cursor` is null on the last one."""

    items: Sequence[IntegrationAnswer]
    next_cursor: str | None


class IngressUrl(Struct, frozen=True):
    """Where senders reach the ingress."""

    base: str

    def of(self, integration_id: str) -> str:
        """The URL that this integration's senders post to."""
        return f"{self.base.rstrip('/')}/automation-endpoint/endpoints/authorized/{integration_id}/trigger"


def integration_router() -> Router:
    handlers = [create, page, read, change, remove, publish, unpublish]
    return Router("/integrations", route_handlers=handlers, tags=["Integrations"])


@post("/", summary="Create an integration")
async def create(
    data: JSONBody[NewIntegration],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
) -> IntegrationAnswer:
    """It is a draft: its URL answers 404 until it is published."""
    return _answer(await integrations.create(identity, data), ingress_url)


@get("/", summary="List the integrations")
async def page(
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> IntegrationsAnswer:
    """The newest first."""
    found = await integrations.page(identity, limit, before(cursor))
    return IntegrationsAnswer(items=[_answer(one, ingress_url) for one in found.items], next_cursor=found.next_cursor)


@get("/{integration_id:uuid}", summary="Read an integration")
async def read(
    integration_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
) -> IntegrationAnswer:
    """The draft, and the state of what is live."""
    return _answer(await integrations.get(identity, str(integration_id)), ingress_url)


@patch("/{integration_id:uuid}", summary="Change the draft")
async def change(
    integration_id: FromPath[UUID],
    data: JSONBody[IntegrationChanges],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
) -> IntegrationAnswer:
    """Only the fields given; null takes an optional one away. What is live stays as it is."""
    return _answer(await integrations.change(identity, str(integration_id), data), ingress_url)


@delete("/{integration_id:uuid}", summary="Delete an integration")
async def remove(
    integration_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
) -> None:
    """Refused with 409 while Business Events listen to it."""
    await integrations.delete(identity, str(integration_id))


@post("/{integration_id:uuid}/publish", status_code=200, summary="Publish the draft")
async def publish(
    integration_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
) -> IntegrationAnswer:
    """Make the draft live under the next version number. Without unpublished changes nothing happens."""
    return _answer(await integrations.publish(identity, str(integration_id)), ingress_url)


@post("/{integration_id:uuid}/unpublish", status_code=200, summary="Unpublish")
async def unpublish(
    integration_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
) -> IntegrationAnswer:
    """Stop accepting requests: the URL answers 404. The draft stays."""
    return _answer(await integrations.unpublish(identity, str(integration_id)), ingress_url)


def _answer(integration: Integration, ingress_url: IngressUrl) -> IntegrationAnswer:
    draft = integration.draft
    return IntegrationAnswer(
        id=integration.id,
        name=draft.name,
        icon=draft.icon,
        state=integration.state,
        has_unpublished_changes=integration.has_unpublished_changes,
        version=integration.version,
        url=ingress_url.of(integration.id),
        auth=draft.auth,
        deduplication=draft.deduplication,
        created_at=integration.created_at,
        updated_at=integration.updated_at,
    )
