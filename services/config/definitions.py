"""What authors configure, as values: integrations with their draft and published version, Business Events.

Every change is a function from one value to the next; the same value comes back when nothing changes. What the
other services see of a definition is its message: None while it is not public.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from libs import messages
from services.config.identity import Workspace

Clock = Callable[[], datetime]


class Draft(Struct, frozen=True, kw_only=True):
    """Everything an author can say about an integration; saved, and published, as a whole."""

    name: str
    icon: str | None = None
    auth: messages.NoAuth
    deduplication: messages.Deduplication | None = None


class Integration(Struct, frozen=True, kw_only=True):
    """A draft beside what is live. `version` counts the publications; 0 is never published."""

    id: str
    draft: Draft
    published: Draft | None = None
    version: int = 0
    created_at: datetime
    updated_at: datetime

    @property
    def state(self) -> Literal["draft", "published"]:
        return "draft" if self.published is None else "published"

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
    created_at: datetime
    updated_at: datetime


def save(integration: Integration, draft: Draft, now: datetime) -> Integration:
    if same(draft, integration.draft):
        return integration
    return replace(integration, draft=draft, updated_at=now)


def publish(integration: Integration, now: datetime) -> Integration:
    if not integration.has_unpublished_changes:
        return integration
    version = integration.version + 1
    return replace(integration, published=integration.draft, version=version, updated_at=now)


def unpublish(integration: Integration, now: datetime) -> Integration:
    if integration.published is None:
        return integration
    return replace(integration, published=None, updated_at=now)


def revise(event: BusinessEvent, now: datetime, **changes: object) -> BusinessEvent:
    """The Business Event with these fields changed, and its next version if that made a difference."""
    changed = replace(event, **changes)
    return event if same(changed, event) else replace(changed, version=event.version + 1, updated_at=now)


def same(one: object, other: object) -> bool:
    """Whether both are stored as the same JSON. `==` would take a filter with 1 for one with true."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)


def integration_message(workspace: Workspace, integration: Integration) -> messages.Integration | None:
    live = integration.published
    if live is None:
        return None
    return messages.Integration(
        id=integration.id,
        workspace=workspace.id,
        name=live.name,
        version=integration.version,
        auth=live.auth,
        deduplication=live.deduplication,
    )


def business_event_message(workspace: Workspace, event: BusinessEvent) -> messages.BusinessEvent:
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
