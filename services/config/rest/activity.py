"""Routes: what came to an integration lately, and why one event was treated as it was."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from libs.activity import Input
from libs.messages import Deduplication, IntegrationRef
from services.config.activity import HOURS_LIMIT, Activity, ActivityEntry
from services.config.definitions import Time
from services.config.entries import EntryOutcome, Place
from services.config.errors import UnavailableError
from services.config.evaluations import BusinessEventEvaluation
from services.config.explanations import EventExplanation, Explanations
from services.config.identity import Permission
from services.config.rest.business_events import ConditionAnswer, condition_answer
from services.config.rest.paging import DEFAULT_LIMIT, Cursor, Limit, before
from services.config.rest.requests import By, fails, needs
from services.config.sightings import Sighting

Hours = Annotated[int, QueryParameter(ge=1, le=HOURS_LIMIT, description="How many hours `series` goes back.")]
OfIntegration = Annotated[
    UUID | None,
    QueryParameter(
        name="integrationId", description="The integration of the event. Needed where the id does not carry its time."
    ),
]


class PlaceAnswer(Struct, frozen=True, kw_only=True):
    """Where a record is in Kafka."""

    topic: str
    partition: int
    offset: int


class MatchedAnswer(Struct, frozen=True, kw_only=True):
    """A Business Event that has matched; `name` is null if it does not exist any more."""

    id: str
    name: str | None


class EntryAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """One request, or event of one that was split, and what became of it.

    `status` and `reason` are of a rejection, `cause` of a dead letter. `matches` is how many Business Events have
    matched, `matched` names the first 20. `inputs` are what a duplicate was told by; one without `value` was absent.
    `place` is null where there is no record. `request_id` is that of the request that was split, of its parts only;
    parts that are left out as duplicates are not listed while another part of their request is new.
    """

    id: str
    at: Time
    outcome: EntryOutcome
    status: int | None
    reason: str | None
    cause: str | None
    matches: int
    matched: Sequence[MatchedAnswer]
    inputs: Sequence[Input]
    place: PlaceAnswer | None
    request_id: str | None


class BucketAnswer(Struct, frozen=True, kw_only=True):
    """How many requests were answered as what in the five minutes from `at` on.

    One that was answered 200 and turned out to be a duplicate, as all parts of one that is split can, is a duplicate.
    """

    at: Time
    accepted: int
    duplicates: int
    rejected: int


class ActivityAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of the latest 200 requests, the newest first; `next_cursor` is null on the last one.

    `series` has the counts of every five minutes, the oldest first.
    """

    items: Sequence[EntryAnswer]
    next_cursor: str | None
    series: Sequence[BucketAnswer]


class EventAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """An event as its record has it. `request_id` is that of the request that it is a part of, if it is one."""

    request_id: str | None
    integration: IntegrationRef
    received_at: Time
    headers: Mapping[str, str]
    body: Mapping[str, object]
    parameters: Mapping[str, object]
    place: PlaceAnswer


class DeduplicationExplanationAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """What an event is told from others by, under the rules as they are now; one without `value` is absent.

    `hash` is null if nothing of it is there, or if it is not known. `duplicate_of` is the event that a duplicate
    repeats, if that is known.
    """

    rules: Deduplication | None
    inputs: Sequence[Input]
    hash: str | None
    duplicate_of: str | None


class EvaluationAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A Business Event as it is now, and each of its conditions with the actual value, of long ones the beginning.

    `matched` is null, and there are no conditions, where to see it would take too long.
    """

    id: str
    name: str
    state: Literal["active", "paused"]
    version: int
    matched: bool | None
    conditions: Sequence[ConditionAnswer]


class ExplanationAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything that is known of an event.

    `recorded` is what became of it; null if that is forgotten and no trigger tells it. `event` is its record, null if
    there is none. `complete` is false if the integration has more Business Events than are shown.
    """

    id: str
    at: Time
    integration_id: str
    recorded: EntryAnswer | None
    event: EventAnswer | None
    deduplication: DeduplicationExplanationAnswer | None
    business_events: Sequence[EvaluationAnswer]
    complete: bool


def activity_routes() -> list[Router]:
    """The routes below integrations and those of events."""
    return [
        Router("/integrations/{integration_id:uuid}/activity", route_handlers=[read], tags=["Activity"]),
        Router("/events/{event_id:uuid}/explain", route_handlers=[explain], tags=["Activity"]),
    ]


@get("/", opt=needs(Permission.INTEGRATIONS_READ), summary="Read the activity")
async def read(
    integration_id: FromPath[UUID],
    identity: By,
    activity: NamedDependency[Activity],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    hours: Hours = 24,
) -> ActivityAnswer:
    """The latest requests with what became of them, and how many there were."""
    page = await activity.page(identity, str(integration_id), limit, before(cursor))
    series = await activity.series(identity, str(integration_id), hours)
    return ActivityAnswer(
        items=[_entry(one) for one in page.items],
        next_cursor=page.next_cursor,
        series=[
            BucketAnswer(at=one.at, accepted=one.accepted, duplicates=one.duplicates, rejected=one.rejected)
            for one in series
        ],
    )


@get("/", opt=needs(Permission.INTEGRATIONS_READ) | fails(UnavailableError), summary="Explain an event")
async def explain(
    event_id: FromPath[UUID],
    identity: By,
    explanations: NamedDependency[Explanations],
    integration_id: OfIntegration = None,
) -> ExplanationAnswer:
    """What it was told from others by, and for every Business Event each condition with the actual value.

    A request that was split is 404: `errors` has the ids of its events, which are explained instead.
    """
    of = None if integration_id is None else str(integration_id)
    return _explanation(await explanations.of(identity, str(event_id), of))


def _explanation(found: EventExplanation) -> ExplanationAnswer:
    known = found.deduplication
    return ExplanationAnswer(
        id=found.id,
        at=found.at,
        integration_id=found.integration_id,
        recorded=None if found.recorded is None else _entry(found.recorded),
        event=None if found.event is None else _event(found.event),
        deduplication=None
        if known is None
        else DeduplicationExplanationAnswer(
            rules=known.rules, inputs=known.inputs, hash=known.hash, duplicate_of=known.duplicate_of
        ),
        business_events=[_evaluation(one) for one in found.business_events],
        complete=found.are_all,
    )


def _entry(entry: ActivityEntry) -> EntryAnswer:
    return EntryAnswer(
        id=entry.id,
        at=entry.at,
        outcome=entry.outcome,
        status=entry.status,
        reason=entry.reason,
        cause=entry.cause,
        matches=entry.matches,
        matched=[MatchedAnswer(id=one.id, name=one.name) for one in entry.matched],
        inputs=entry.inputs,
        place=None if entry.place is None else _place(entry.place),
        request_id=entry.request_id,
    )


def _event(event: Sighting) -> EventAnswer:
    return EventAnswer(
        request_id=event.request_id,
        integration=event.integration,
        received_at=event.received_at,
        headers=event.headers,
        body=event.body,
        parameters=event.parameters,
        place=_place(event.place),
    )


def _place(place: Place) -> PlaceAnswer:
    return PlaceAnswer(topic=place.topic, partition=place.partition, offset=place.offset)


def _evaluation(one: BusinessEventEvaluation) -> EvaluationAnswer:
    return EvaluationAnswer(
        id=one.id,
        name=one.name,
        state=one.state,
        version=one.version,
        matched=one.matched,
        conditions=[condition_answer(outcome) for outcome in one.conditions],
    )
