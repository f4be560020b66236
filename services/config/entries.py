"""The activity of integrations as values: what became of the latest requests, and how many there were."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from msgspec import Struct, field

from libs import topics
from libs.activity import (
    RECENT_LIMIT,
    Dead,
    Dropped,
    IngressReport,
    Input,
    Matched,
    PipelineReport,
    Pointer,
    Rejection,
    Repetition,
    Report,
)

BUCKET_S: Final = 300
"""The length of time that is counted as one."""

EntryOutcome = Literal["matched", "no-match", "duplicate", "rejected", "dead-letter"]


class Place(Struct, frozen=True):
    """Where a record is."""

    topic: str
    partition: int
    offset: int


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One request, or event of one that was split, and what became of it.

    `status` and `reason` are of a rejection, `cause` of a dead letter. Of the Business Events that have matched,
    `matches` in number, the first are in `business_events`. `inputs` are what a duplicate was told by, and `owner` the
    request it repeats, where the ingress knew them. `place` is where it can be read, if it can, and
    `request_id` that of the request that an event is a part of.
    """

    id: str
    at: datetime
    outcome: EntryOutcome
    status: int | None = None
    reason: str | None = None
    cause: str | None = None
    matches: int = 0
    business_events: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    owner: Place | None = None
    place: Place | None = None
    request_id: str | None = None


class Counts(NamedTuple):
    """How many requests were answered as what, or turned out to be duplicates afterwards."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0

    def plus(self, other: "Counts") -> "Counts":
        return Counts(*(one + more for one, more in zip(self, other, strict=True)))


class Gathered(Struct):
    """What reports say together, by integration; the entries from the oldest to the newest."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    counts: defaultdict[tuple[str, datetime], Counts] = field(default_factory=lambda: defaultdict(Counts))
    last_request_at: dict[str, datetime] = field(default_factory=dict)


def gather(reports: Iterable[Report]) -> Gathered:
    """Add reports up. Of each integration the latest entries are kept, at most `RECENT_LIMIT`."""
    gathered = Gathered()
    for report in reports:
        _count(gathered, report)
        for integration_id, entry in _entries(report):
            gathered.entries.setdefault(integration_id, []).append(entry)
    for integration_id, entries in gathered.entries.items():
        gathered.entries[integration_id] = sorted(entries, key=lambda entry: entry.at)[-RECENT_LIMIT:]
    return gathered


def bucket_of(at: datetime) -> datetime:
    """The beginning of the time that is counted together with this one."""
    return datetime.fromtimestamp(at.timestamp() // BUCKET_S * BUCKET_S, UTC)


def _count(gathered: Gathered, report: Report) -> None:
    for name, at_s, counts in _counted(report):
        integration_id = _identifier(name)
        try:
            at = datetime.fromtimestamp(at_s, UTC)
        except (ValueError, OverflowError, OSError):
            continue
        if integration_id is None:
            continue
        key = integration_id, bucket_of(at)
        gathered.counts[key] = gathered.counts[key].plus(counts)
        if isinstance(report, IngressReport):
            gathered.last_request_at[integration_id] = max(at, gathered.last_request_at.get(integration_id, at))


def _counted(report: Report) -> Iterator[tuple[str, int, Counts]]:
    """What is to be added, by integration and time. What the pipeline drops is a duplicate after all."""
    match report:
        case IngressReport(integration_id=integration_id, at=at):
            yield integration_id, at, Counts(report.accepted, report.duplicates, report.rejected)
        case PipelineReport(dropped=dropped):
            for integration_id, minutes in dropped.items():
                for at, count in minutes.items():
                    yield integration_id, at, Counts(accepted=-count, duplicates=count)


def _entries(report: Report) -> Iterator[tuple[str, Entry]]:
    for name, entry in _told(report):
        integration_id = _identifier(name)
        if integration_id is not None and entry is not None:
            yield integration_id, entry


def _told(report: Report) -> Iterator[tuple[str, Entry | None]]:
    match report:
        case IngressReport(integration_id=integration_id, recent=recent):
            for one in recent:
                yield integration_id, _of_ingress(one)
        case PipelineReport(topic=topic, partition=partition, ended=ended):
            for integration_id, pointers in ended.items():
                for pointer in pointers:
                    yield integration_id, _of_pipeline(pointer, Place(topic, partition, pointer.offset))


def _of_ingress(one: Repetition | Rejection) -> Entry | None:
    identified = _identified(one)
    if identified is None:
        return None
    event_id, at = identified
    match one:
        case Repetition(inputs=inputs, owner=position):
            owner = None if position is None else Place(topics.REQUESTS, *position)
            return Entry(id=event_id, at=at, outcome="duplicate", inputs=inputs, owner=owner)
        case Rejection(status=status, reason=reason):
            return Entry(id=event_id, at=at, outcome="rejected", status=status, reason=reason)


def _of_pipeline(one: Pointer, place: Place) -> Entry | None:
    identified = _identified(one)
    if identified is None:
        return None
    event_id, at = identified
    match one:
        case Matched(count=count, business_events=some, request_id=request_id):
            return Entry(
                id=event_id,
                at=at,
                outcome="matched" if count else "no-match",
                matches=count,
                business_events=tuple(filter(None, map(_identifier, some))),
                place=place,
                request_id=_identifier(request_id or ""),
            )
        case Dropped():
            return Entry(id=event_id, at=at, outcome="duplicate", place=place)
        case Dead(cause=cause, request_id=request_id):
            part_of = _identifier(request_id or "")
            return Entry(id=event_id, at=at, outcome="dead-letter", cause=cause, place=place, request_id=part_of)


def _identified(one: Repetition | Rejection | Pointer) -> tuple[str, datetime] | None:
    event_id = _identifier(one.id)
    try:
        at = datetime.fromisoformat(one.at)
        at_utc = at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if event_id is None or at.tzinfo is None else (event_id, at_utc)


def _identifier(text: str) -> str | None:
    """An id in its canonical form; None where it is none, as nothing that is stored has it."""
    try:
        return str(UUID(text))
    except ValueError:
        return None
