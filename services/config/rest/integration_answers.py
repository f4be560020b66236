"""Integrations as they are answered: the draft, what of it is live, where senders reach it, and warnings."""

from collections.abc import Sequence
from typing import Literal

from litestar.di import NamedDependency
from msgspec import Struct
from msgspec.structs import asdict

from libs import messages
from services.config.definitions import Draft, Integration, Time
from services.config.errors import Fault
from services.config.identity import Identity
from services.config.integrations import Integrations
from services.config.pages import Page
from services.config.rest.preconditions import Tagged
from services.config.rest.requests import By


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

    `warnings` are about the draft, and about the API key of what is live: what works as it is written, and may not
    be what is wanted. Lists leave out what the latest sample says of the draft.
    """

    id: str
    state: Literal["draft", "published"]
    has_unpublished_changes: bool
    version: int
    url: str
    published: Content | None
    warnings: Sequence[Fault]
    created_at: Time
    updated_at: Time


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


class Desk(Struct, frozen=True):
    """What every route for integrations works with: who asks, the rules, and how integrations are answered."""

    by: Identity
    integrations: Integrations
    ingress_url: IngressUrl

    async def answer(self, integration: Integration, status_code: int = 200) -> Tagged[IntegrationAnswer]:
        warnings = await self.integrations.warnings_of(self.by, integration)
        return Tagged(_answer(integration, self.ingress_url, warnings), integration, status_code)

    async def page(self, found: Page[Integration]) -> IntegrationsAnswer:
        warnings = await self.integrations.warnings(self.by, found.items)
        items = [_answer(one, self.ingress_url, warned) for one, warned in zip(found.items, warnings, strict=True)]
        return IntegrationsAnswer(items=items, next_cursor=found.next_cursor)


async def desk(
    identity: By, integrations: NamedDependency[Integrations], ingress_url: NamedDependency[IngressUrl]
) -> Desk:
    return Desk(identity, integrations, ingress_url)


def _answer(integration: Integration, ingress_url: IngressUrl, warnings: Sequence[Fault]) -> IntegrationAnswer:
    draft, live = integration.draft, integration.published
    return IntegrationAnswer(
        id=integration.id,
        state=integration.state,
        has_unpublished_changes=integration.has_unpublished_changes,
        version=integration.version,
        url=ingress_url.of(integration.id),
        published=None if live is None else _content(live),
        warnings=warnings,
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
