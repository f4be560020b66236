"""Why an event was treated as it was: what was told of it, its record, and the rules as they are now."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct

from libs import topics
from libs.activity import MATCHES_LIMIT, Input, shortened
from libs.identifiers import time_ms_of
from libs.messages import BusinessEventRef, Deduplication
from services.config.activity import ActivityEntry, names_of, shown_entry
from services.config.definitions import BusinessEvent, Integration
from services.config.entries import Entry
from services.config.errors import Fault, InvalidError, NotFoundError, SplitError
from services.config.evaluations import (
    BUSINESS_EVENTS_LIMIT,
    BusinessEventEvaluation,
    Document,
    evaluate,
    identify,
)
from services.config.identity import Identity
from services.config.integrations import existing_integration
from services.config.sightings import Sighting, Sightings
from services.config.store import recent
from services.config.store.recent import Found
from services.config.store.scope import Scope, Workspaces

_NOT_FOUND: Final = "There is no such event, or it is not kept any more."
# The year 9000: there are ids of times that no calendar has.
_NEVER_MS: Final = 221_845_392_000_000
# As much as clocks may differ.
_AHEAD: Final = timedelta(minutes=5)


class DeduplicationExplanation(Struct, frozen=True, kw_only=True):
    """What an event is told from others by.

    Where there is a record of it, by the rules as they are now, `hash` being None if they find nothing in it; of a
    duplicate without a record, what the ingress has told. `duplicate_of` is the event that it repeats, if known.
    """

    rules: Deduplication | None
    inputs: Sequence[Input]
    hash: str | None
    duplicate_of: str | None


class EventExplanation(Struct, frozen=True, kw_only=True):
    """Everything that is known of one event.

    `recorded` is what became of it, None if that is forgotten and there is no trigger of it. `event` is its record,
    None if there is none any more, or never was one. The Business Events are those of the integration as they are now,
    the newest first, evaluated at the time of receipt; `are_all` is false if there are more.
    """

    id: str
    at: datetime
    integration_id: str
    recorded: ActivityEntry | None
    event: Sighting | None
    deduplication: DeduplicationExplanation | None
    business_events: Sequence[BusinessEventEvaluation]
    are_all: bool


class _Known(Struct, frozen=True, kw_only=True):
    """What there is of an event: what was told of it, its record, or both."""

    id: str
    at: datetime
    integration_id: str
    recorded: Entry | None
    event: Sighting | None
    duplicate_of: str | None = None


class Explanations:
    """What somebody may know of the events of their workspace."""

    def __init__(self, workspaces: Workspaces, sightings: Sightings) -> None:
        self._workspaces = workspaces
        self._sightings = sightings

    async def of(self, by: Identity, event_id: str, integration_id: str | None = None) -> EventExplanation:
        """Explain an event, of any integration or of this one.

        Raises:
            NotFoundError: the workspace has no such event or integration, or nothing of the event is kept any more.
            SplitError: it is a request, of which several events have become.
            InvalidError: an id that carries no time needs its integration.
            UnavailableError: the store or Kafka does not answer.
        """
        event_id, at_ms = _identified(event_id)
        at = None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)
        if at is None and integration_id is None:
            raise InvalidError([Fault("integrationId", "is needed for this event: its id does not tell its time")])
        async with self._workspaces.reading(by.workspace.id) as scope:
            if integration_id is not None:
                await existing_integration(scope, integration_id)
            found = await recent.find(
                scope.connection, scope.workspace.id, event_id, at=at, integration_id=integration_id
            )
            is_kept = at is not None and scope.now - topics.EVENTS_KEPT <= at <= scope.now + _AHEAD
        if found is not None:
            return await self._explain(by, await self._read(by, found))
        if not is_kept:
            raise NotFoundError(_NOT_FOUND)
        return await self._explain(by, await self._search(by, event_id, integration_id))

    async def _read(self, by: Identity, found: Found) -> _Known:
        """What was told, and the record. In its place can be another one, if Kafka has lost its data."""
        entry, owner = found.entry, found.entry.owner
        event = None if entry.place is None else await self._sightings.at(entry.place)
        is_it = event is not None and (event.id, event.workspace) == (entry.id, by.workspace.id)
        original = None if owner is None else await self._sightings.at(owner)
        return _Known(
            id=entry.id,
            at=entry.at,
            integration_id=found.integration_id,
            recorded=entry,
            event=event if is_it else None,
            duplicate_of=original.id if original is not None and _is_repeated(original, by, found) else None,
        )

    async def _search(self, by: Identity, event_id: str, integration_id: str | None) -> _Known:
        """What is forgotten, but still in its topic."""
        event = await self._sightings.find(event_id)
        if event is None or event.workspace != by.workspace.id:
            raise NotFoundError(_NOT_FOUND)
        if integration_id is not None and event.integration.id != integration_id:
            raise NotFoundError(_NOT_FOUND)
        if event.id != event_id:
            raise SplitError(await self._sightings.parts_of(event_id, event))
        matched = await self._sightings.matches(event)
        return _Known(
            id=event.id,
            at=event.received_at,
            integration_id=event.integration.id,
            recorded=_told_by_triggers(event, matched) if matched else None,
            event=event,
        )

    async def _explain(self, by: Identity, known: _Known) -> EventExplanation:
        recorded, event = known.recorded, known.event
        async with self._workspaces.reading(by.workspace.id) as scope:
            integration = await scope.integrations.get(known.integration_id)
            listening = await _listening(scope, known.integration_id) if _went_on(event) else []
            named = await names_of(scope, recorded.business_events if recorded is not None else ())
            zone = ZoneInfo(scope.workspace.time_zone)
        evaluated: Sequence[BusinessEventEvaluation] = []
        if event is not None and listening:
            document = Document(headers=event.headers, body=event.body, received_at=event.received_at)
            evaluated = await asyncio.to_thread(evaluate, listening[:BUSINESS_EVENTS_LIMIT], document, zone)
        return EventExplanation(
            id=known.id,
            at=known.at,
            integration_id=known.integration_id,
            recorded=None if recorded is None else shown_entry(recorded, named),
            event=event,
            deduplication=_deduplication(integration, known),
            business_events=evaluated,
            are_all=len(listening) <= BUSINESS_EVENTS_LIMIT,
        )


def _is_repeated(original: Sighting, by: Identity, found: Found) -> bool:
    """Whether what is in the place of the owner is what a duplicate repeats: a claim can outlive its record."""
    is_of_it = (original.workspace, original.integration.id) == (by.workspace.id, found.integration_id)
    return is_of_it and all(
        shortened(original.parameters.get(one.parameter, UNSET)) == one.value for one in found.entry.inputs
    )


async def _listening(scope: Scope, integration_id: str) -> list[BusinessEvent]:
    return await scope.business_events.newest(BUSINESS_EVENTS_LIMIT + 1, integration_id=integration_id)


def _went_on(event: Sighting | None) -> bool:
    """Whether it became an event, so that Business Events could match it."""
    return event is not None and event.place.topic == topics.EVENTS


def _told_by_triggers(event: Sighting, matched: Sequence[BusinessEventRef]) -> Entry:
    return Entry(
        id=event.id,
        at=event.received_at,
        outcome="matched",
        matches=len(matched),
        business_events=tuple(one.id for one in matched[:MATCHES_LIMIT]),
        place=event.place,
        request_id=event.request_id,
    )


def _deduplication(integration: Integration | None, known: _Known) -> DeduplicationExplanation | None:
    draft = None if integration is None else integration.in_force
    rules = None if draft is None else draft.deduplication
    if known.event is not None:
        inputs, found = identify(known.integration_id, draft, known.event.headers, known.event.body)
        return DeduplicationExplanation(rules=rules, inputs=inputs, hash=found, duplicate_of=known.duplicate_of)
    if known.recorded is not None and known.recorded.outcome == "duplicate":
        inputs = known.recorded.inputs
        return DeduplicationExplanation(rules=rules, inputs=inputs, hash=None, duplicate_of=known.duplicate_of)
    return None


def _identified(event_id: str) -> tuple[str, int | None]:
    """An id in its canonical form, and the Unix milliseconds in it, if it carries its time."""
    try:
        at_ms = time_ms_of(event_id)
    except ValueError:
        raise NotFoundError(_NOT_FOUND) from None
    if at_ms is not None and at_ms >= _NEVER_MS:
        raise NotFoundError(_NOT_FOUND)
    return str(UUID(event_id)), at_ms
