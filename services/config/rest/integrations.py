"""Routes: integrations."""

from typing import Annotated
from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter

from services.config.drafts import IntegrationChanges, NewIntegration
from services.config.errors import ConflictError, UnseenError
from services.config.identity import Permission
from services.config.rest.integration_answers import Desk, IntegrationAnswer, IntegrationsAnswer, desk
from services.config.rest.paging import DEFAULT_LIMIT, Cursor, Limit, before
from services.config.rest.preconditions import IfMatch, Tagged
from services.config.rest.requests import fails, needs
from services.config.revisions import expected

Id = FromPath[UUID]
ThisDesk = NamedDependency[Desk]
WithBusinessEvents = Annotated[
    bool,
    QueryParameter(
        name="withBusinessEvents",
        description="Delete the Business Events that listen to it too, whatever they are by then.",
    ),
]
TheseBusinessEvents = Annotated[
    list[UUID] | None,
    QueryParameter(name="businessEvents", description="Delete these Business Events, which listen to it, too."),
]

Search = Annotated[
    str, QueryParameter(name="search", description="Only those with this text in their name, or in their id.")
]


def integration_router() -> Router:
    handlers = [create, page, read, change, remove, publish, unpublish, discard_draft]
    return Router("/integrations", route_handlers=handlers, dependencies={"desk": Provide(desk)}, tags=["Integrations"])


@post("/", opt=needs(Permission.INTEGRATIONS_WRITE), summary="Create an integration")
async def create(data: JSONBody[NewIntegration], desk: ThisDesk) -> Tagged[IntegrationAnswer]:
    """It is a draft: its URL answers 404 until it is published."""
    return await desk.answer(await desk.integrations.create(desk.by, data), 201)


@get("/", opt=needs(Permission.INTEGRATIONS_READ), summary="List the integrations")
async def page(
    desk: ThisDesk, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, search: Search = ""
) -> IntegrationsAnswer:
    """The newest first."""
    return await desk.page(await desk.integrations.page(desk.by, limit, before(cursor), search.strip()))


@get("/{integration_id:uuid}", opt=needs(Permission.INTEGRATIONS_READ), summary="Read an integration")
async def read(integration_id: Id, desk: ThisDesk) -> Tagged[IntegrationAnswer]:
    """The draft, and the state of what is live."""
    return await desk.answer(await desk.integrations.get(desk.by, str(integration_id)))


@patch("/{integration_id:uuid}", opt=needs(Permission.INTEGRATIONS_WRITE), summary="Change the draft")
async def change(
    integration_id: Id, data: JSONBody[IntegrationChanges], desk: ThisDesk, if_match: IfMatch = None
) -> Tagged[IntegrationAnswer]:
    """Only the fields given; null takes an optional one away. What is live stays as it is."""
    return await desk.answer(await desk.integrations.change(desk.by, str(integration_id), data, expected(if_match)))


@delete(
    "/{integration_id:uuid}",
    opt=needs(Permission.INTEGRATIONS_WRITE) | fails(ConflictError),
    summary="Delete an integration",
)
async def remove(
    integration_id: Id,
    desk: ThisDesk,
    these_business_events: TheseBusinessEvents = None,
    with_business_events: WithBusinessEvents = False,  # noqa: FBT002  a query parameter
    if_match: IfMatch = None,
) -> None:
    """Refused with 409 while Business Events listen to it that are not to be deleted too.

    A published one needs `INTEGRATIONS_PUBLISH` as well.
    """
    named = None if with_business_events else {str(one) for one in these_business_events or ()}
    await desk.integrations.delete(desk.by, str(integration_id), expected(if_match), named)


@post(
    "/{integration_id:uuid}/publish",
    opt=needs(Permission.INTEGRATIONS_PUBLISH),
    status_code=200,
    summary="Publish the draft",
)
async def publish(integration_id: Id, desk: ThisDesk, if_match: IfMatch = None) -> Tagged[IntegrationAnswer]:
    """Make the draft live under the next version number. Without unpublished changes nothing happens."""
    return await desk.answer(await desk.integrations.publish(desk.by, str(integration_id), expected(if_match)))


@post(
    "/{integration_id:uuid}/unpublish", opt=needs(Permission.INTEGRATIONS_PUBLISH), status_code=200, summary="Unpublish"
)
async def unpublish(integration_id: Id, desk: ThisDesk, if_match: IfMatch = None) -> Tagged[IntegrationAnswer]:
    """Stop accepting requests: the URL answers 404. The draft stays."""
    return await desk.answer(await desk.integrations.unpublish(desk.by, str(integration_id), expected(if_match)))


@post(
    "/{integration_id:uuid}/discard-draft",
    opt=needs(Permission.INTEGRATIONS_WRITE) | fails(ConflictError, UnseenError),
    status_code=200,
    summary="Discard the draft",
)
async def discard_draft(integration_id: Id, desk: ThisDesk, if_match: IfMatch = None) -> Tagged[IntegrationAnswer]:
    """Make the draft what is live again. 409 if nothing is."""
    return await desk.answer(await desk.integrations.discard_draft(desk.by, str(integration_id), expected(if_match)))
