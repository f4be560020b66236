"""The rules for Business Events, the same for REST and the console."""

import asyncio
from datetime import UTC
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from libs.filters import FilterError, TooCostlyError, compile_matcher, parse
from libs.identifiers import new_event_id
from services.config.definitions import BusinessEvent, revise
from services.config.errors import Fault, InvalidError, NotFoundError
from services.config.identity import Identity
from services.config.pages import Page, page_of
from services.config.revisions import Expected, check_overwrite
from services.config.store.scope import Scope, Workspaces
from services.config.texts import check_text
from services.config.trials import Request, Trial, Verdict, judge, request_of

NAME_LIMIT: Final = 200
# A definition has to fit into one record of the definitions topic, which a broker takes up to 1 MiB by default.
WHERE_LIMIT_BYTES: Final = 512 * 1024


class NewBusinessEvent(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A Business Event as its author writes it; it is active at once."""

    name: str
    integration_id: UUID
    where: dict[str, object]


class BusinessEventChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields to change. The integration stays: what listens to another one is another Business Event."""

    name: str | UnsetType = UNSET
    where: dict[str, object] | UnsetType = UNSET


class BusinessEvents:
    """What somebody may do with the Business Events of their workspace.

    Every call that names a Business Event raises `NotFoundError` if the workspace has no such one, and those that
    expect a revision `OutdatedError` if it is another.
    """

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def create(self, by: Identity, given: NewBusinessEvent) -> BusinessEvent:
        """A new, active Business Event.

        Raises:
            InvalidError: what was given breaks a rule, or the workspace has no such integration.
        """
        faults: list[Fault] = []
        name, where = check_text(given.name, "name", NAME_LIMIT, faults), check_where(given.where, faults)
        async with self._workspaces.changing(by) as scope:
            if await scope.integrations.get(str(given.integration_id)) is None:
                faults.append(Fault("integrationId", "there is no such integration"))
            if faults:
                raise InvalidError(faults)
            event = BusinessEvent(
                id=new_event_id(),
                integration_id=str(given.integration_id),
                name=name,
                where=where,
                changed_by=by.user_id,
                created_at=scope.now,
                updated_at=scope.now,
            )
            await scope.store("created", None, event)
        return event

    async def page(
        self, by: Identity, limit: int, before: str | None, integration_id: str | None = None
    ) -> Page[BusinessEvent]:
        """The newest ones, or those created before the one with the id `before`; of one integration or of all."""
        matching = {} if integration_id is None else {"integration_id": integration_id}
        async with self._workspaces.reading(by.workspace.id) as scope:
            return page_of(await scope.business_events.newest(limit + 1, before=before, **matching), limit)

    async def get(self, by: Identity, event_id: str) -> BusinessEvent:
        async with self._workspaces.reading(by.workspace.id) as scope:
            return await _existing(scope, event_id)

    async def change(
        self, by: Identity, event_id: str, changes: BusinessEventChanges, expected: Expected
    ) -> BusinessEvent:
        """Change it; in force at once if it is active.

        Raises:
            InvalidError: what was given breaks a rule.
            UnseenError: see `revisions`.
        """
        faults: list[Fault] = []
        changed: dict[str, object] = {}
        if changes.name is not UNSET:
            changed["name"] = check_text(changes.name, "name", NAME_LIMIT, faults)
        if changes.where is not UNSET:
            changed["where"] = check_where(changes.where, faults)
        if faults:
            raise InvalidError(faults)
        async with self._workspaces.changing(by) as scope:
            before = await _existing(scope, event_id)
            check_overwrite(before, expected, by)
            return await _store(scope, by, "changed", before, changed)

    async def activate(self, by: Identity, event_id: str, expected: Expected) -> BusinessEvent:
        return await self._set_state(by, event_id, expected, "activated", "active")

    async def pause(self, by: Identity, event_id: str, expected: Expected) -> BusinessEvent:
        """Stop it from triggering until it is activated again."""
        return await self._set_state(by, event_id, expected, "paused", "paused")

    async def delete(self, by: Identity, event_id: str, expected: Expected) -> None:
        async with self._workspaces.changing(by) as scope:
            event = await _existing(scope, event_id)
            check_overwrite(event, expected, by)
            await scope.store("deleted", event, None)

    async def try_out(self, by: Identity, given: Trial) -> Verdict:
        """How a filter comes out, and every condition of it.

        Raises:
            InvalidError: the filter has faults, or there is no sample, or it would take too long.
        """
        faults: list[Fault] = []
        check_where(given.where, faults)
        if given.sample is UNSET and given.integration_id is UNSET:
            faults.append(Fault("sample", "is required, or an integrationId"))
        if faults:
            raise InvalidError(faults)
        async with self._workspaces.reading(by.workspace.id) as scope:
            request = await _request(scope, given, faults)
            zone, now = ZoneInfo(scope.workspace.time_zone), scope.now
        if request is None or faults:
            raise InvalidError(faults)
        try:
            return await asyncio.to_thread(judge, parse(given.where), request, now, zone)
        except TooCostlyError as error:
            raise InvalidError([Fault("where", "takes more time on this sample than it may")]) from error

    async def _set_state(
        self, by: Identity, event_id: str, expected: Expected, action: str, state: str
    ) -> BusinessEvent:
        async with self._workspaces.changing(by) as scope:
            before = await _existing(scope, event_id)
            check_overwrite(before, expected, by)
            return await _store(scope, by, action, before, {"state": state})


async def _store(
    scope: Scope, by: Identity, action: str, before: BusinessEvent, changed: dict[str, object]
) -> BusinessEvent:
    after = revise(before, scope.now, **changed)
    if after is before:
        return before
    stored = replace(after, changed_by=by.user_id)
    await scope.store(action, before, stored)
    return stored


async def _request(scope: Scope, given: Trial, faults: list[Fault]) -> Request | None:
    """What a filter is tried on; None if there is nothing, which is added to `faults` then."""
    integration = None
    if given.integration_id is not UNSET:
        integration = await scope.integrations.get(str(given.integration_id))
        if integration is None:
            faults.append(Fault("integrationId", "there is no such integration"))
            return None
    is_split = integration is not None and integration.in_force.splits_batches
    if given.sample is not UNSET:
        return request_of(given.sample, faults, is_split=is_split)
    captured = None if integration is None else await scope.captures.get(integration.id)
    if captured is None or captured.sample is None:
        faults.append(Fault("integrationId", "has no captured sample: capture one, or give a sample"))
        return None
    body = msgspec.json.decode(captured.sample.body)
    return Request(headers=captured.sample.headers, body=body, is_split=is_split)


def check_where(given: dict[str, object], faults: list[Fault]) -> dict[str, object]:
    """The filter's source, unchanged; what is wrong with it is added to `faults`.

    A filter without a fault compiles: one that did not would stop the trigger.
    """
    try:
        compile_matcher([("where", parse(given, root="where"), UTC)])
    except FilterError as error:
        faults.extend(Fault(path, message) for path, message in error.faults)
    except Exception as error:  # noqa: BLE001 whatever fails here would fail in the trigger
        faults.append(Fault("where", f"cannot be compiled: {error!r}"))
    else:
        if len(msgspec.json.encode(given)) > WHERE_LIMIT_BYTES:
            faults.append(Fault("where", f"must not be longer than {WHERE_LIMIT_BYTES:,} bytes"))
    return given


async def _existing(scope: Scope, event_id: str) -> BusinessEvent:
    event = await scope.business_events.get(event_id)
    if event is None:
        raise NotFoundError("There is no such Business Event.")
    return event
