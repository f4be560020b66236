"""What authors configure, as values: integrations with their draft and published version, Business Events, keys.

Every change is a function from one value to the next; the same value comes back when nothing changes. What the
other services see of a definition are its messages.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from libs import messages
from services.config.identity import User, Workspace

Clock = Callable[[], datetime]
# In JSON, which does not say so itself: RFC 3339.
Time = Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]


class Draft(Struct, frozen=True, kw_only=True):
    """Everything an author can say about an integration; saved, and published, as a whole."""

    name: str
    icon: str | None = None
    auth: messages.Auth
    deduplication: messages.Deduplication | None = None
    rate_limit: messages.RateLimit | None = None

    @property
    def splits_batches(self) -> bool:
        return isinstance(self.auth, messages.MetaAuth) and self.auth.split_batches


class Integration(Struct, frozen=True, kw_only=True):
    """A draft beside what is live. `version` counts the publications; 0 is never published.

    `revision` counts the changes, and `changed_by` is the user of the last one.
    """

    id: str
    draft: Draft
    published: Draft | None = None
    version: int = 0
    revision: int = 1
    changed_by: str | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        return self.draft.name

    @property
    def state(self) -> Literal["draft", "published"]:
        return "draft" if self.published is None else "published"

    @property
    def in_force(self) -> Draft:
        """What requests are treated by: what is published; or the draft, for samples."""
        return self.published or self.draft

    @property
    def has_unpublished_changes(self) -> bool:
        return self.draft != self.published


class BusinessEvent(Struct, frozen=True, kw_only=True):
    """A filter on one integration's events. `where` is its source; `version` grows with each change."""

    id: str
    integration_id: str
    name: str
    where: dict[str, object]
    state: Literal["active", "paused"] = "active"
    version: int = 1
    changed_by: str | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def revision(self) -> int:
        return self.version


class ApiKey(Struct, frozen=True, kw_only=True):
    """What tokens are made from. The secret is nowhere; `prefix` is the beginning of it, to recognise it by.

    `allowed_ips` are networks in CIDR notation; none is anywhere.
    """

    id: str
    name: str
    prefix: str
    secret_sha256: str
    permissions: tuple[str, ...]
    allowed_ips: tuple[str, ...] = ()
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revision: int = 1
    changed_by: str | None = None
    created_at: datetime
    updated_at: datetime


class SigningKey(Struct, frozen=True, kw_only=True):
    """A pair of keys for tokens. It signs from `signs_from` on, None while the other services get to know it.

    Tokens are verified with it until `verifies_until`, None while it may sign. The private key is sealed.
    """

    id: str
    sealed_private_key: str
    public_key: str
    signs_from: datetime | None = None
    verifies_until: datetime | None = None
    created_at: datetime

    @property
    def name(self) -> str:
        return self.id


CaptureState = Literal["armed", "received", "timed_out", "cancelled"]


class Capture(Struct, frozen=True, kw_only=True):
    """The last capture of an integration, whose id it has. A generation is one arming of it.

    `sample` is a `libs.messages.Sample` once one was received; `refused` what was not accepted meanwhile.
    An armed one has timed out when its time is over, which is stored a little later.
    """

    id: str
    generation: int
    state: CaptureState
    expires_at: datetime
    sample: messages.Sample | None = None
    refused: tuple[messages.RefusedSample, ...] = ()


Definition = Integration | BusinessEvent | ApiKey | SigningKey | Capture


def save(integration: Integration, draft: Draft) -> Integration:
    return integration if same(draft, integration.draft) else replace(integration, draft=draft)


def publish(integration: Integration) -> Integration:
    if not integration.has_unpublished_changes:
        return integration
    return replace(integration, published=integration.draft, version=integration.version + 1)


def unpublish(integration: Integration) -> Integration:
    return integration if integration.published is None else replace(integration, published=None)


def discard_draft(integration: Integration) -> Integration:
    """Back to what is live, if anything is."""
    live = integration.published
    return integration if live is None else save(integration, live)


def revise(event: BusinessEvent, now: datetime, **changes: object) -> BusinessEvent:
    """The Business Event with these fields changed, and its next version if that made a difference."""
    changed = replace(event, **changes)
    return event if same(changed, event) else replace(changed, version=event.version + 1, updated_at=now)


def same(one: object, other: object) -> bool:
    """Whether both are stored as the same JSON. `==` would take a filter with 1 for one with true."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)


def messages_of(workspace: Workspace, definition: Definition | User | None) -> list[messages.Definition]:
    """What the other services shall know of something that is stored."""
    match definition:
        case Integration():
            return [_integration_message(workspace, definition)]
        case BusinessEvent():
            return [_business_event_message(workspace, definition)]
        case ApiKey(revoked_at=None):
            return [
                messages.ApiKey(
                    id=definition.id,
                    workspace=workspace.id,
                    permissions=definition.permissions,
                    expires_at=definition.expires_at,
                    allowed_ips=definition.allowed_ips,
                )
            ]
        case SigningKey():
            key = messages.SigningKey(id=definition.id, workspace=workspace.id, public_key=definition.public_key)
            return [key]
        case Capture(state="armed"):
            armed = messages.Capture(
                id=definition.id, generation=definition.generation, expires_at=definition.expires_at
            )
            return [armed]
        case _:
            return []


def _integration_message(
    workspace: Workspace, integration: Integration
) -> messages.Integration | messages.DraftIntegration:
    kind = messages.DraftIntegration if integration.published is None else messages.Integration
    shown = integration.in_force
    return kind(
        id=integration.id,
        workspace=workspace.id,
        name=shown.name,
        version=integration.version,
        auth=shown.auth,
        deduplication=shown.deduplication,
        rate_limit=shown.rate_limit,
    )


def _business_event_message(workspace: Workspace, event: BusinessEvent) -> messages.BusinessEvent:
    return messages.BusinessEvent(
        id=event.id,
        workspace=workspace.id,
        name=event.name,
        version=event.version,
        integration_id=event.integration_id,
        state=event.state,
        where=event.where,
        time_zone=workspace.time_zone,
    )
