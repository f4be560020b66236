"""The rules for integrations, the same for REST and the console."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from libs.identifiers import new_event_id
from services.config.definitions import BusinessEvent, Clock, Integration, integration_message, publish, save, unpublish
from services.config.drafts import IntegrationChanges, NewIntegration, changed_draft, new_draft
from services.config.errors import ConflictError, Fault, NotFoundError
from services.config.identity import Identity
from services.config.pages import Page, page_of
from services.config.store.scope import Scope, Workspaces

_NAMED_AT_MOST: Final = 20


class Integrations:
    """What somebody may do with the integrations of their workspace.

    Every call that names an integration raises `NotFoundError` if the workspace has no such one.
    """

    def __init__(self, workspaces: Workspaces, now: Clock) -> None:
        self._workspaces = workspaces
        self._now = now

    async def create(self, by: Identity, given: NewIntegration) -> Integration:
        """A new draft.

        Raises:
            InvalidError: what was given breaks a rule.
        """
        draft, now = new_draft(given), self._now()
        integration = Integration(id=new_event_id(), draft=draft, created_at=now, updated_at=now)
        async with self._workspaces.changing(by.workspace.id) as scope:
            await scope.integrations.add(integration)
        return integration

    async def page(self, by: Identity, limit: int, before: str | None) -> Page[Integration]:
        """The newest ones, or those created before the one with the id `before`."""
        async with self._workspaces.reading(by.workspace.id) as scope:
            return page_of(await scope.integrations.newest(limit + 1, before=before), limit)

    async def get(self, by: Identity, integration_id: str) -> Integration:
        async with self._workspaces.reading(by.workspace.id) as scope:
            return await existing_integration(scope, integration_id)

    async def change(self, by: Identity, integration_id: str, changes: IntegrationChanges) -> Integration:
        """Change the draft. What is live stays as it is.

        Raises:
            InvalidError: what was given breaks a rule.
        """
        return await self._change(
            by, integration_id, lambda before, now: save(before, changed_draft(before.draft, changes), now)
        )

    async def publish(self, by: Identity, integration_id: str) -> Integration:
        """Make the draft live under the next version number; nothing happens if it is live already."""
        return await self._change(by, integration_id, publish)

    async def unpublish(self, by: Identity, integration_id: str) -> Integration:
        """Stop accepting requests; the draft stays."""
        return await self._change(by, integration_id, unpublish)

    async def delete(self, by: Identity, integration_id: str) -> None:
        """Forget it.

        Raises:
            ConflictError: Business Events listen to it; they are named.
        """
        async with self._workspaces.changing(by.workspace.id) as scope:
            integration = await existing_integration(scope, integration_id)
            listeners = await scope.business_events.newest(_NAMED_AT_MOST, integration_id=integration_id)
            if listeners:
                raise _is_listened_to(listeners)
            await scope.integrations.remove(integration_id)
            await scope.announce(integration_message(scope.workspace, integration), None)

    async def _change(
        self, by: Identity, integration_id: str, change: Callable[[Integration, datetime], Integration]
    ) -> Integration:
        async with self._workspaces.changing(by.workspace.id) as scope:
            before = await existing_integration(scope, integration_id)
            after = change(before, self._now())
            if after is not before:
                await scope.integrations.replace(after)
                await scope.announce(
                    integration_message(scope.workspace, before), integration_message(scope.workspace, after)
                )
            return after


async def existing_integration(scope: Scope, integration_id: str) -> Integration:
    integration = await scope.integrations.get(integration_id)
    if integration is None:
        raise NotFoundError("There is no such integration.")
    return integration


def _is_listened_to(listeners: list[BusinessEvent]) -> ConflictError:
    return ConflictError(
        "Business Events listen to this integration. Delete them first.",
        [Fault("businessEvents", f"'{listener.name}' ({listener.id})") for listener in listeners],
    )
