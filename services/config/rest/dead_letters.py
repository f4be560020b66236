"""Routes: the dead letters of the workspace."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct
from msgspec.structs import asdict

from libs.messages import IntegrationRef
from services.config.dead_letters.letters import Action, Key, Letter, Place
from services.config.dead_letters.of_workspace import Cause, Chosen, OwnDeadLetters
from services.config.dead_letters.reading import Found
from services.config.definitions import Time
from services.config.errors import ConflictError, NotFoundError, UnavailableError
from services.config.identity import Permission
from services.config.rest.activity import PlaceAnswer
from services.config.rest.paging import DEFAULT_LIMIT, Limit
from services.config.rest.requests import By, fails, needs

Rules = NamedDependency[OwnDeadLetters]
ServiceName = Literal["normalizer", "trigger"]

_CURSOR: Final = "^[0-9]{1,14}-[0-9]{1,9}-[0-9]{1,18}$"
_PLACE: Final = "^[0-9]{1,9}-[0-9]{1,18}$"
OlderThan = Annotated[str | None, QueryParameter(pattern=_CURSOR, description="The `nextCursor` of the page before.")]
OfIntegration = Annotated[UUID | None, QueryParameter(name="integrationId", description="Only of this integration.")]
OfCause = Annotated[str | None, QueryParameter(min_length=1, max_length=100, description="Only with this cause.")]
OfService = Annotated[ServiceName | None, QueryParameter(description="Only from this service.")]
Since = Annotated[datetime | None, QueryParameter(description="Only from this time on.")]
Until = Annotated[datetime | None, QueryParameter(description="Only before this time.")]
WithBody = Annotated[bool, QueryParameter(name="withBody", description="Whether to show what was sent, too.")]


class DeadLetterAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A record that a service could not process, and why. `at` is the record's time, about when it was received.

    `id` names it, as its place `<partition>-<offset>` in its topic. `origin` is where the record was.
    """

    id: str
    at: Time
    cause: str
    service: str
    event_id: str | None
    received_at: str | None
    integration: IntegrationRef | None
    origin: PlaceAnswer | None
    size_bytes: int


class InspectedDeadLetterAnswer(DeadLetterAnswer, frozen=True, kw_only=True, rename="camel"):
    """With what became of it, and with its Kafka headers. `body` has its bytes in Base64, if they were asked for."""

    state: Literal["open", "replayed", "discarded"]
    resolved_at: Time | None
    kafka_headers: Mapping[str, str]
    body: str | None


class CauseAnswer(Struct, frozen=True, kw_only=True):
    """How many dead letters have a cause."""

    cause: str
    count: int


class DeadLettersAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of open ones, the newest first; `next_cursor` is null on the last one. `causes` are those of all pages."""

    items: Sequence[DeadLetterAnswer]
    causes: Sequence[CauseAnswer]
    next_cursor: str | None


class ResolveDeadLetters(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which open ones: all, as far as nothing is said. `id` is one of them.

    Unless `dry_run` is false they are counted, and nothing else. With the `count` that this has given they are
    resolved only if there are as many still.
    """

    integration_id: UUID | None = None
    cause: Cause | None = None
    service: ServiceName | None = None
    since: datetime | None = None
    until: datetime | None = None
    id: Annotated[str, Meta(pattern=_PLACE)] | None = None
    dry_run: bool = True
    count: Annotated[int, Meta(ge=0)] | None = None


class ResolvedAnswer(Struct, frozen=True, kw_only=True):
    """How many were resolved, at most 1,000 at once, and how many of those that were meant are open still, by cause."""

    done: int
    left: Sequence[CauseAnswer]


def dead_letter_router() -> Router:
    return Router("/dead-letters", route_handlers=[page, read, replay, discard], tags=["Dead letters"])


@get("/", opt=needs(Permission.ADMIN) | fails(UnavailableError), summary="List the dead letters")
async def page(
    identity: By,
    dead_letters: Rules,
    limit: Limit = DEFAULT_LIMIT,
    cursor: OlderThan = None,
    integration_id: OfIntegration = None,
    cause: OfCause = None,
    service: OfService = None,
    since: Since = None,
    until: Until = None,
) -> DeadLettersAnswer:
    """Those that are open, the newest first. Without those of which it is not known whose they are."""
    chosen = Chosen(
        integration_id=integration_id, cause=cause, service=service, since=_aware(since), until=_aware(until)
    )
    listed = await dead_letters.page(identity, chosen, limit + 1, None if cursor is None else Key.of(cursor))
    shown = listed.letters[::-1][:limit]
    return DeadLettersAnswer(
        items=[_answer(one) for one in shown],
        causes=_causes(listed.causes),
        next_cursor=str(shown[-1].key) if len(listed.letters) > limit else None,
    )


@get("/{dead_letter_id:str}", opt=needs(Permission.ADMIN) | fails(UnavailableError), summary="Read a dead letter")
async def read(
    dead_letter_id: FromPath[str], identity: By, dead_letters: Rules, *, with_body: WithBody = False
) -> InspectedDeadLetterAnswer:
    """Open or not. Its body may be confidential, so it is shown only if it is asked for."""
    found = await dead_letters.get(identity, place_in(dead_letter_id))
    answer = _answer(found.letter)
    return InspectedDeadLetterAnswer(
        **asdict(answer),
        state=found.resolution.action if found.resolution else "open",
        resolved_at=found.resolution.at if found.resolution else None,
        kafka_headers=headers_in(found),
        body=b64encode(found.record.value or b"").decode() if with_body else None,
    )


@post(
    "/replay",
    opt=needs(Permission.ADMIN) | fails(ConflictError, UnavailableError),
    status_code=200,
    summary="Replay dead letters",
)
async def replay(data: JSONBody[ResolveDeadLetters], identity: By, dead_letters: Rules) -> ResolvedAnswer:
    """Each is put back to where it came from, once, with the id and the time of receipt that its event has.

    Repeat it while something is left.
    """
    return await _resolve(data, identity, dead_letters, "replayed")


@post(
    "/discard",
    opt=needs(Permission.ADMIN) | fails(ConflictError, UnavailableError),
    status_code=200,
    summary="Discard dead letters",
)
async def discard(data: JSONBody[ResolveDeadLetters], identity: By, dead_letters: Rules) -> ResolvedAnswer:
    """They are closed for good. Repeat it while something is left."""
    return await _resolve(data, identity, dead_letters, "discarded")


async def _resolve(data: ResolveDeadLetters, identity: By, dead_letters: Rules, action: Action) -> ResolvedAnswer:
    chosen = chosen_by(data)
    if data.dry_run:
        return ResolvedAnswer(done=0, left=_causes(await dead_letters.count(identity, action, chosen)))
    resolved = await dead_letters.resolve(identity, action, chosen, data.count)
    return ResolvedAnswer(done=resolved.done, left=_causes(resolved.left))


def chosen_by(data: ResolveDeadLetters) -> Chosen:
    """What is meant."""
    return Chosen(
        integration_id=data.integration_id,
        cause=data.cause,
        service=data.service,
        since=_aware(data.since),
        until=_aware(data.until),
        place=Place.of(data.id) if data.id else None,
    )


def place_in(text: str) -> Place:
    """The place that an address names.

    Raises:
        NotFoundError: there is none of this name.
    """
    try:
        return Place.of(text)
    except ValueError as error:
        raise NotFoundError("There is no such dead letter.") from error


def headers_in(found: Found) -> dict[str, str]:
    """The Kafka headers as texts."""
    return {name: (value or b"").decode(errors="backslashreplace") for name, value in found.record.headers}


def _aware(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def _causes(causes: Mapping[str, int]) -> list[CauseAnswer]:
    return [CauseAnswer(cause=cause, count=causes[cause]) for cause in sorted(causes)]


def _answer(letter: Letter) -> DeadLetterAnswer:
    origin = letter.origin
    return DeadLetterAnswer(
        id=str(letter.place),
        at=letter.at,
        cause=letter.cause,
        service=letter.service,
        event_id=letter.event_id,
        received_at=letter.received_at,
        integration=letter.integration,
        origin=None
        if origin is None
        else PlaceAnswer(topic=origin.topic, partition=origin.partition, offset=origin.offset),
        size_bytes=letter.size_bytes,
    )
