"""What came to an integration lately: its latest requests with their outcome, and how many there were."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from libs.activity import Input
from services.config.entries import BUCKET_S, Counts, Entry, EntryOutcome, Place, bucket_of
from services.config.identity import Identity
from services.config.integrations import existing_integration
from services.config.pages import Page
from services.config.store import recent
from services.config.store.scope import Scope, Workspaces

HOURS_LIMIT: Final = 7 * 24
_BUCKET: Final = timedelta(seconds=BUCKET_S)
_DAY: Final = timedelta(days=1)


class NamedBusinessEvent(Struct, frozen=True, kw_only=True):
    """A Business Event that has matched; without a name if it does not exist any more."""

    id: str
    name: str | None


class ActivityEntry(Struct, frozen=True, kw_only=True):
    """One request, or event of one that was split; see `services.config.entries.Entry`.

    `matched` names the first of the Business Events that have matched, `matches` is the number of all.
    """

    id: str
    at: datetime
    outcome: EntryOutcome
    status: int | None = None
    reason: str | None = None
    cause: str | None = None
    matches: int = 0
    matched: Sequence[NamedBusinessEvent] = ()
    inputs: Sequence[Input] = ()
    place: Place | None = None
    request_id: str | None = None


class Bucket(Struct, frozen=True, kw_only=True):
    """How many requests there were in the five minutes from `at` on."""

    at: datetime
    accepted: int
    duplicates: int
    rejected: int


class Summary(Struct, frozen=True, kw_only=True):
    """The last request to an integration, None if there never was one, and the sums of the last 24 hours."""

    last_request_at: datetime | None = None
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0


class Activity:
    """What somebody may see of what came to the integrations of their workspace."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def page(self, by: Identity, integration_id: str, limit: int, before: str | None) -> Page[ActivityEntry]:
        """The latest requests, or those before the one with the id `before`; none before one that is forgotten.

        Raises:
            NotFoundError: the workspace has no such integration.
        """
        async with self._workspaces.reading(by.workspace.id) as scope:
            await existing_integration(scope, integration_id)
            entries = await recent.latest(scope.connection, scope.workspace.id, integration_id)
            first = _after(entries, before)
            shown = entries[first : first + limit]
            named = await names_of(scope, (one for entry in shown for one in entry.business_events))
        following = first + limit < len(entries)
        return Page(
            items=[shown_entry(entry, named) for entry in shown], next_cursor=shown[-1].id if following else None
        )

    async def among_latest(
        self, by: Identity, integration_id: str, ids: Collection[str]
    ) -> Mapping[str, ActivityEntry]:
        """Those of these events that are among the latest requests, by their ids."""
        async with self._workspaces.reading(by.workspace.id) as scope:
            entries = await recent.latest(scope.connection, scope.workspace.id, integration_id)
            found = [entry for entry in entries if entry.id in ids]
            named = await names_of(scope, (one for entry in found for one in entry.business_events))
        return {entry.id: shown_entry(entry, named) for entry in found}

    async def series(self, by: Identity, integration_id: str, hours: int = 24) -> list[Bucket]:
        """The counts of every five minutes of the last hours, at most `HOURS_LIMIT`, the oldest first.

        Raises:
            NotFoundError: the workspace has no such integration.
        """
        async with self._workspaces.reading(by.workspace.id) as scope:
            await existing_integration(scope, integration_id)
            last = bucket_of(scope.now)
            first = last - timedelta(hours=min(hours, HOURS_LIMIT)) + _BUCKET
            counts = await recent.counts_since(scope.connection, scope.workspace.id, integration_id, first)
        times = (first + number * _BUCKET for number in range((last - first) // _BUCKET + 1))
        return [Bucket(at=at, **counts.get(at, Counts())._asdict()) for at in times]

    async def summaries(self, by: Identity, integration_ids: Sequence[str]) -> Mapping[str, Summary]:
        """Of each of these integrations what came lately: nothing, if the workspace has no such one."""
        async with self._workspaces.reading(by.workspace.id) as scope:
            since = bucket_of(scope.now) - _DAY + _BUCKET
            seen = await recent.seen_since(scope.connection, scope.workspace.id, integration_ids, since)
        known = {name: Summary(last_request_at=at, **counts._asdict()) for name, (at, counts) in seen.items()}
        return {integration_id: known.get(integration_id, Summary()) for integration_id in integration_ids}


async def names_of(scope: Scope, ids: Iterable[str]) -> dict[str, str]:
    """The names of those of these Business Events that the workspace has."""
    return await recent.names(scope.connection, scope.workspace.id, sorted(set(ids)))


def shown_entry(entry: Entry, named: Mapping[str, str]) -> ActivityEntry:
    return ActivityEntry(
        id=entry.id,
        at=entry.at,
        outcome=entry.outcome,
        status=entry.status,
        reason=entry.reason,
        cause=entry.cause,
        matches=entry.matches,
        matched=[NamedBusinessEvent(id=one, name=named.get(one)) for one in entry.business_events],
        inputs=entry.inputs,
        place=entry.place,
        request_id=entry.request_id,
    )


def _after(entries: Sequence[Entry], event_id: str | None) -> int:
    """The position of what comes after the entry of this id."""
    if event_id is None:
        return 0
    positions = (position for position, entry in enumerate(entries) if entry.id == event_id)
    return next(positions, len(entries) - 1) + 1
