"""The rules for integrations, the same for REST and the console."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from libs.identifiers import new_event_id
from libs.messages import JwtAuth
from libs.sealing import Sealer
from services.config.advice import advice_on_draft, advice_on_keys, advice_on_sample, key_ids
from services.config.definitions import BusinessEvent, Draft, Integration, discard_draft, publish, save, unpublish
from services.config.drafts import IntegrationChanges, NewIntegration, changed_draft, new_draft
from services.config.errors import ConflictError, Fault, ForbiddenError, InvalidError, NotFoundError
from services.config.identity import Identity, Permission
from services.config.pages import Page, page_of
from services.config.revisions import Expected, check_overwrite
from services.config.store.scope import Scope, Workspaces

_NAMED_AT_MOST: Final = 20
_LOOKED_AT_ONCE: Final = 500


class Integrations:
    """What somebody may do with the integrations of their workspace.

    Every call that names an integration raises `NotFoundError` if the workspace has no such one, and those that
    expect a revision `OutdatedError` if it is another.
    """

    def __init__(self, workspaces: Workspaces, sealer: Sealer) -> None:
        self._workspaces = workspaces
        self._sealer = sealer

    async def create(self, by: Identity, given: NewIntegration) -> Integration:
        """A new draft.

        Raises:
            InvalidError: what was given breaks a rule.
        """
        integration_id = new_event_id()
        draft = new_draft(given, integration_id, self._sealer)
        async with self._workspaces.changing(by) as scope:
            await _check_references(scope, draft)
            integration = Integration(
                id=integration_id, draft=draft, changed_by=by.user_id, created_at=scope.now, updated_at=scope.now
            )
            await scope.store("created", None, integration)
        return integration

    async def page(self, by: Identity, limit: int, before: str | None, search: str = "") -> Page[Integration]:
        """The newest ones, or those created before the one with the id `before`; with a text in their name or id."""
        wanted = search.casefold()
        found: list[Integration] = []
        async with self._workspaces.reading(by.workspace.id) as scope:
            while len(found) <= limit:
                some = await scope.integrations.newest(_LOOKED_AT_ONCE if wanted else limit + 1, before=before)
                found += [one for one in some if wanted in one.name.casefold() or wanted in one.id]
                if not wanted or len(some) < _LOOKED_AT_ONCE:
                    break
                before = some[-1].id
        return page_of(found[: limit + 1], limit)

    async def names(self, by: Identity, ids: Collection[str]) -> Mapping[str, str]:
        """The names of integrations, by id."""
        async with self._workspaces.reading(by.workspace.id) as scope:
            return {one.id: one.name for one in await scope.integrations.some(ids)}

    async def get(self, by: Identity, integration_id: str) -> Integration:
        async with self._workspaces.reading(by.workspace.id) as scope:
            return await existing_integration(scope, integration_id)

    async def listeners(self, by: Identity, integration_id: str) -> list[BusinessEvent]:
        """All Business Events that listen to it, the newest first."""
        async with self._workspaces.reading(by.workspace.id) as scope:
            await existing_integration(scope, integration_id)
            return (await scope.business_events.all(integration_id=integration_id))[::-1]

    async def warnings(self, by: Identity, shown: Sequence[Integration]) -> list[list[Fault]]:
        """For each of these, what works and may not be what is wanted; not what `warnings_of` asks its sample."""
        found = [advice_on_draft(one) for one in shown]
        if ids := key_ids(shown):
            async with self._workspaces.reading(by.workspace.id) as scope:
                keys = {key.id: key for key in await scope.api_keys.some(ids)}
            for one, warnings in zip(shown, found, strict=True):
                warnings.extend(advice_on_keys(one, keys, scope.now))
        return found

    async def warnings_of(self, by: Identity, integration: Integration) -> list[Fault]:
        """What works and may not be what is wanted, also in view of the latest sample, which can be large."""
        [found] = await self.warnings(by, [integration])
        if integration.draft.deduplication is None:
            return found
        async with self._workspaces.reading(by.workspace.id) as scope:
            capture = await scope.captures.get(integration.id)
        if capture is None or capture.sample is None:
            return found
        return [*found, *await asyncio.to_thread(advice_on_sample, integration, capture.sample)]

    async def change(
        self, by: Identity, integration_id: str, changes: IntegrationChanges, expected: Expected
    ) -> Integration:
        """Change the draft. What is live stays as it is.

        Raises:
            InvalidError: what was given breaks a rule.
            UnseenError: see `revisions`.
        """
        async with self._workspaces.changing(by) as scope:
            before = await existing_integration(scope, integration_id)
            check_overwrite(before, expected, by)
            draft = changed_draft(before.draft, changes, integration_id, self._sealer, before.published)
            if draft.auth != before.draft.auth:
                await _check_references(scope, draft)
            return await _store(scope, by, "changed", before, save(before, draft))

    async def publish(self, by: Identity, integration_id: str, expected: Expected) -> Integration:
        """Make the draft live under the next version number; nothing happens if it is live already.

        Raises:
            UnseenError: see `revisions`.
        """
        return await self._change(by, integration_id, expected, "published", publish)

    async def unpublish(self, by: Identity, integration_id: str, expected: Expected) -> Integration:
        """Stop accepting requests; the draft stays."""
        return await self._change(by, integration_id, expected, "unpublished", unpublish)

    async def discard_draft(self, by: Identity, integration_id: str, expected: Expected) -> Integration:
        """Make the draft what is live again.

        Raises:
            ConflictError: nothing is live.
            UnseenError: see `revisions`.
        """
        async with self._workspaces.changing(by) as scope:
            before = await existing_integration(scope, integration_id)
            check_overwrite(before, expected, by)
            if before.published is None:
                raise ConflictError("Nothing is published that the draft could go back to.")
            return await _store(scope, by, "draft discarded", before, discard_draft(before))

    async def delete(
        self, by: Identity, integration_id: str, expected: Expected, with_listeners: Collection[str] | None = ()
    ) -> None:
        """Forget it, and with it the Business Events that listen to it and whose ids are given; None is all of them.

        Raises:
            ConflictError: other Business Events listen to it; they are named.
            ForbiddenError: it is published, and who asks may not unpublish it.
        """
        async with self._workspaces.changing(by) as scope:
            integration = await existing_integration(scope, integration_id)
            if integration.published is not None and not by.may(Permission.INTEGRATIONS_PUBLISH):
                raise ForbiddenError(f"It is published: deleting it needs {Permission.INTEGRATIONS_PUBLISH} too.")
            check_overwrite(integration, expected, by)
            listeners = await scope.business_events.all(integration_id=integration_id)
            if others := [one for one in listeners if with_listeners is not None and one.id not in with_listeners]:
                raise _is_listened_to(others)
            for listener in listeners:
                await scope.store("deleted", listener, None)
            capture = await scope.captures.get(integration_id)
            if capture is not None:
                await scope.store("deleted", capture, None)
            await scope.store("deleted", integration, None)

    async def _change(
        self,
        by: Identity,
        integration_id: str,
        expected: Expected,
        action: str,
        change: Callable[[Integration], Integration],
    ) -> Integration:
        async with self._workspaces.changing(by) as scope:
            before = await existing_integration(scope, integration_id)
            check_overwrite(before, expected, by)  # what nobody has looked at must not go live
            after = change(before)
            if after.published is not None and after is not before:
                await _check_references(scope, after.published)
            return await _store(scope, by, action, before, after)


async def existing_integration(scope: Scope, integration_id: str) -> Integration:
    integration = await scope.integrations.get(integration_id)
    if integration is None:
        raise NotFoundError("There is no such integration.")
    return integration


async def _store(scope: Scope, by: Identity, action: str, before: Integration, after: Integration) -> Integration:
    if after is before:
        return before
    stored = replace(after, revision=before.revision + 1, changed_by=by.user_id, updated_at=scope.now)
    await scope.store(action, before, stored)
    return stored


async def _check_references(scope: Scope, draft: Draft) -> None:
    if not isinstance(draft.auth, JwtAuth):
        return
    key = await scope.api_keys.get(draft.auth.api_key_id)
    if key is None or key.revoked_at is not None:
        raise InvalidError([Fault("auth.apiKeyId", "there is no such API key, or it is revoked")])


def _is_listened_to(listeners: Sequence[BusinessEvent]) -> ConflictError:
    named = [Fault("businessEvents", f"'{listener.name}' ({listener.id})") for listener in listeners[:_NAMED_AT_MOST]]
    return ConflictError(
        f"Business Events listen to this integration: {len(listeners)}. Delete them first, or with it: repeat this "
        "with businessEvents=<id> for each, or with withBusinessEvents=true whatever they are by then.",
        named,
    )
