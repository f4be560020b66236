"""Routes: Business Events."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Struct, UnsetType

from libs.filters import Group, Outcome, Reason, to_source
from services.config.business_events import BusinessEventChanges, BusinessEvents, NewBusinessEvent
from services.config.definitions import BusinessEvent, Time
from services.config.identity import Permission
from services.config.rest.paging import DEFAULT_LIMIT, Cursor, Limit, before
from services.config.rest.preconditions import IfMatch, Tagged
from services.config.rest.requests import By, needs
from services.config.revisions import expected
from services.config.trials import Parts, Trial

Id = FromPath[UUID]
Rules = NamedDependency[BusinessEvents]
IntegrationId = Annotated[UUID | None, QueryParameter(name="integrationId", description="Only those of this one.")]


class BusinessEventAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A Business Event as it is in force."""

    id: str
    name: str
    integration_id: str
    where: dict[str, object]
    state: Literal["active", "paused"]
    version: int
    created_at: Time
    updated_at: Time


class BusinessEventsAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page, the newest first; `next_cursor` is null on the last one."""

    items: Sequence[BusinessEventAnswer]
    next_cursor: str | None


class ConditionAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """One condition as it is written, one `some`, or one `group` without parts, and how it came out.

    `actual` is left out where the parameter is absent; behind a `*` and inside a `some` it is the list of values.
    """

    path: str
    param: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    operator: str | UnsetType = UNSET
    value: object = UNSET
    ignore_case: bool | UnsetType = UNSET
    some: str | UnsetType = UNSET
    group: Literal["all", "any", "none"] | UnsetType = UNSET
    actual: object = UNSET
    matched: bool
    reason: Reason | None


class TrialAnswer(Struct, frozen=True, kw_only=True):
    """Whether the filter matches, and its conditions in the order in which they are written.

    Only a request of which several events become has `parts`: it matches if one of them does, and the conditions are
    those of the part that is `shown`, the first that matches or else the first.
    """

    matched: bool
    parts: Parts | UnsetType = UNSET
    conditions: Sequence[ConditionAnswer]


def business_event_router() -> Router:
    handlers = [test, create, page, read, change, remove, activate, pause]
    return Router("/business-events", route_handlers=handlers, tags=["Business Events"])


@post("/", opt=needs(Permission.INTEGRATIONS_WRITE), summary="Create a Business Event")
async def create(data: JSONBody[NewBusinessEvent], identity: By, business_events: Rules) -> Tagged[BusinessEventAnswer]:
    """It is active at once."""
    return _tagged(await business_events.create(identity, data), 201)


@get("/", opt=needs(Permission.INTEGRATIONS_READ), summary="List the Business Events")
async def page(
    identity: By,
    business_events: Rules,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    integration_id: IntegrationId = None,
) -> BusinessEventsAnswer:
    """The newest first."""
    of = None if integration_id is None else str(integration_id)
    found = await business_events.page(identity, limit, before(cursor), of)
    return BusinessEventsAnswer(items=[_answer(one) for one in found.items], next_cursor=found.next_cursor)


@get("/{event_id:uuid}", opt=needs(Permission.INTEGRATIONS_READ), summary="Read a Business Event")
async def read(event_id: Id, identity: By, business_events: Rules) -> Tagged[BusinessEventAnswer]:
    """The Business Event as it is in force."""
    return _tagged(await business_events.get(identity, str(event_id)))


@patch("/{event_id:uuid}", opt=needs(Permission.INTEGRATIONS_WRITE), summary="Change a Business Event")
async def change(
    event_id: Id, data: JSONBody[BusinessEventChanges], identity: By, business_events: Rules, if_match: IfMatch = None
) -> Tagged[BusinessEventAnswer]:
    """Only the fields given; in force at once, under the next version number."""
    return _tagged(await business_events.change(identity, str(event_id), data, expected(if_match)))


@delete("/{event_id:uuid}", opt=needs(Permission.INTEGRATIONS_WRITE), summary="Delete a Business Event")
async def remove(event_id: Id, identity: By, business_events: Rules, if_match: IfMatch = None) -> None:
    """It triggers nothing any more."""
    await business_events.delete(identity, str(event_id), expected(if_match))


@post("/{event_id:uuid}/activate", opt=needs(Permission.INTEGRATIONS_WRITE), status_code=200, summary="Activate")
async def activate(
    event_id: Id, identity: By, business_events: Rules, if_match: IfMatch = None
) -> Tagged[BusinessEventAnswer]:
    """Let it trigger."""
    return _tagged(await business_events.activate(identity, str(event_id), expected(if_match)))


@post("/{event_id:uuid}/pause", opt=needs(Permission.INTEGRATIONS_WRITE), status_code=200, summary="Pause")
async def pause(
    event_id: Id, identity: By, business_events: Rules, if_match: IfMatch = None
) -> Tagged[BusinessEventAnswer]:
    """Let it trigger nothing until it is activated again."""
    return _tagged(await business_events.pause(identity, str(event_id), expected(if_match)))


@post("/test", opt=needs(Permission.INTEGRATIONS_READ), status_code=200, summary="Test a filter")
async def test(data: JSONBody[Trial], identity: By, business_events: Rules) -> TrialAnswer:
    """Whether it matches a sample, and how each of its conditions comes out."""
    verdict = await business_events.try_out(identity, data)
    return TrialAnswer(
        matched=verdict.explanation.matched,
        parts=verdict.parts or UNSET,
        conditions=[condition_answer(one) for one in verdict.explanation.outcomes],
    )


def condition_answer(outcome: Outcome) -> ConditionAnswer:
    """The condition as its author wrote it, without what is inside a `some`."""
    source = {name: value for name, value in to_source(outcome.condition).items() if name != "where"}
    if isinstance(outcome.condition, Group):
        source = {"group": next(iter(source))}
    result = {"path": outcome.path, "actual": outcome.actual, "matched": outcome.matched, "reason": outcome.reason}
    return msgspec.convert({**source, **result}, ConditionAnswer)


def _tagged(event: BusinessEvent, status_code: int = 200) -> Tagged[BusinessEventAnswer]:
    return Tagged(_answer(event), event, status_code)


def _answer(event: BusinessEvent) -> BusinessEventAnswer:
    return BusinessEventAnswer(
        id=event.id,
        name=event.name,
        integration_id=event.integration_id,
        where=event.where,
        state=event.state,
        version=event.version,
        created_at=event.created_at,
        updated_at=event.updated_at,
    )
