"""Routes: integrations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct
from msgspec.structs import asdict

from libs import messages
from services.config.definitions import Draft, Integration
from services.config.drafts import IntegrationChanges, NewIntegration
from services.config.errors import Fault
from services.config.identity import Identity, Permission
from services.config.integrations import Integrations
from services.config.rest.paging import DEFAULT_LIMIT, Cursor, Limit, before
from services.config.rest.preconditions import IfMatch, tagged
from services.config.rest.requests import needs
from services.config.revisions import expected
from services.config.rules import uncovered_headers

WithBusinessEvents = Annotated[
    bool,
    QueryParameter(
        name="withBusinessEvents", description="Delete the Business Events that listen to it too, instead of 409."
    ),
]

Search = Annotated[
    str, QueryParameter(name="search", description="Only those with this text in their name, or in their id.")
]


class MetaAuthAnswer(Struct, frozen=True, kw_only=True, tag_field="kind", tag="meta", rename="camel"):
    """The secrets themselves are write-only."""

    previous_app_secret_accepted: bool
    split_batches: bool


AuthAnswer = messages.NoAuth | messages.JwtAuth | MetaAuthAnswer


class Content(Struct, frozen=True, kw_only=True, rename="camel"):
    """What authors say about an integration."""

    name: str
    icon: str | None
    auth: AuthAnswer
    deduplication: messages.Deduplication | None
    rate_limit: messages.RateLimit | None


class IntegrationAnswer(Content, frozen=True, kw_only=True, rename="camel"):
    """The draft of an integration, and what of it is live, as which version.

    `warnings` are about the draft: what works as it is written, and may not be what is wanted.
    """

    id: str
    state: Literal["draft", "published"]
    has_unpublished_changes: bool
    version: int
    url: str
    published: Content | None
    warnings: Sequence[Fault]
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
    handlers = [create, page, read, change, remove, publish, unpublish, discard_draft]
    return Router("/integrations", route_handlers=handlers, tags=["Integrations"])


@post("/", opt=needs(Permission.INTEGRATIONS_WRITE), summary="Create an integration")
async def create(
    data: JSONBody[NewIntegration],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
) -> Response[IntegrationAnswer]:
    """It is a draft: its URL answers 404 until it is published."""
    return _tagged(await integrations.create(identity, data), ingress_url, 201)


@get("/", opt=needs(Permission.INTEGRATIONS_READ), summary="List the integrations")
async def page(
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    search: Search = "",
) -> IntegrationsAnswer:
    """The newest first."""
    found = await integrations.page(identity, limit, before(cursor), search.strip())
    return IntegrationsAnswer(items=[_answer(one, ingress_url) for one in found.items], next_cursor=found.next_cursor)


@get("/{integration_id:uuid}", opt=needs(Permission.INTEGRATIONS_READ), summary="Read an integration")
async def read(
    integration_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
) -> Response[IntegrationAnswer]:
    """The draft, and the state of what is live."""
    return _tagged(await integrations.get(identity, str(integration_id)), ingress_url)


@patch("/{integration_id:uuid}", opt=needs(Permission.INTEGRATIONS_WRITE), summary="Change the draft")
async def change(
    integration_id: FromPath[UUID],
    data: JSONBody[IntegrationChanges],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
    if_match: IfMatch = None,
) -> Response[IntegrationAnswer]:
    """Only the fields given; null takes an optional one away. What is live stays as it is."""
    changed = await integrations.change(identity, str(integration_id), data, expected(if_match))
    return _tagged(changed, ingress_url)


@delete("/{integration_id:uuid}", opt=needs(Permission.INTEGRATIONS_WRITE), summary="Delete an integration")
async def remove(
    integration_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    with_business_events: WithBusinessEvents = False,  # noqa: FBT002  a query parameter
    if_match: IfMatch = None,
) -> None:
    """Refused with 409 while Business Events listen to it, unless they are to be deleted too."""
    await integrations.delete(
        identity, str(integration_id), expected(if_match), with_business_events=with_business_events
    )


@post(
    "/{integration_id:uuid}/publish",
    opt=needs(Permission.INTEGRATIONS_PUBLISH),
    status_code=200,
    summary="Publish the draft",
)
async def publish(
    integration_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
    if_match: IfMatch = None,
) -> Response[IntegrationAnswer]:
    """Make the draft live under the next version number. Without unpublished changes nothing happens."""
    return _tagged(await integrations.publish(identity, str(integration_id), expected(if_match)), ingress_url)


@post(
    "/{integration_id:uuid}/unpublish", opt=needs(Permission.INTEGRATIONS_PUBLISH), status_code=200, summary="Unpublish"
)
async def unpublish(
    integration_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
    if_match: IfMatch = None,
) -> Response[IntegrationAnswer]:
    """Stop accepting requests: the URL answers 404. The draft stays."""
    return _tagged(await integrations.unpublish(identity, str(integration_id), expected(if_match)), ingress_url)


@post(
    "/{integration_id:uuid}/discard-draft",
    opt=needs(Permission.INTEGRATIONS_WRITE),
    status_code=200,
    summary="Discard the draft",
)
async def discard_draft(
    integration_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    integrations: NamedDependency[Integrations],
    ingress_url: NamedDependency[IngressUrl],
    if_match: IfMatch = None,
) -> Response[IntegrationAnswer]:
    """Make the draft what is live again. 409 if nothing is."""
    return _tagged(await integrations.discard_draft(identity, str(integration_id), expected(if_match)), ingress_url)


def _tagged(integration: Integration, ingress_url: IngressUrl, status_code: int = 200) -> Response[IntegrationAnswer]:
    return tagged(_answer(integration, ingress_url), integration, status_code)


def _answer(integration: Integration, ingress_url: IngressUrl) -> IntegrationAnswer:
    draft, live = integration.draft, integration.published
    return IntegrationAnswer(
        id=integration.id,
        state=integration.state,
        has_unpublished_changes=integration.has_unpublished_changes,
        version=integration.version,
        url=ingress_url.of(integration.id),
        published=None if live is None else _content(live),
        warnings=list(uncovered_headers(draft.auth, draft.deduplication)),
        created_at=integration.created_at,
        updated_at=integration.updated_at,
        **asdict(_content(draft)),
    )


def _content(draft: Draft) -> Content:
    return Content(
        name=draft.name,
        icon=draft.icon,
        auth=_auth(draft.auth),
        deduplication=draft.deduplication,
        rate_limit=draft.rate_limit,
    )


def _auth(auth: messages.Auth) -> AuthAnswer:
    match auth:
        case messages.NoAuth():
            return auth
        case messages.JwtAuth():
            return auth
        case messages.MetaAuth():
            return MetaAuthAnswer(
                previous_app_secret_accepted=len(auth.app_secrets) > 1, split_batches=auth.split_batches
            )
