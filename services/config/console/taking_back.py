"""Pages: taking back what is published, or what is drafted, once somebody has said that they mean it."""

from typing import Final
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from services.config.audit import differences
from services.config.console.forms import Form, revision_in
from services.config.console.incoming import WRITE
from services.config.console.rendering import see
from services.config.console.visit import Visit
from services.config.definitions import discard_draft
from services.config.errors import ConflictError, OutdatedError, RequestError
from services.config.identity import Permission
from services.config.rest.requests import needs
from services.config.texts import camel_case

_UNPUBLISH: Final = needs(Permission.INTEGRATIONS_PUBLISH)


def taking_back_router() -> Router:
    handlers = [unpublish_page, unpublish, discard_page, discard]
    return Router("/incoming/{integration_id:uuid}", route_handlers=handlers, include_in_schema=False)


@get("/unpublish", opt=_UNPUBLISH)
async def unpublish_page(integration_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[str]:
    """Who sends to it, before they are refused."""
    return await _unpublishing(visit, str(integration_id))


@post("/unpublish", opt=_UNPUBLISH)
async def unpublish(
    integration_id: FromPath[UUID], visit: NamedDependency[Visit], form: NamedDependency[Form]
) -> Response[str] | Redirect:
    try:
        await visit.control.integrations.unpublish(visit.identity, str(integration_id), revision_in(form))
    except OutdatedError as error:
        return await _unpublishing(visit, str(integration_id), error)
    return see(f"/incoming/{integration_id}", "unpublished")


@get("/discard-draft", opt=WRITE)
async def discard_page(integration_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[str]:
    """What is in the draft, before it is gone."""
    return await _discarding(visit, str(integration_id))


@post("/discard-draft", opt=WRITE)
async def discard(
    integration_id: FromPath[UUID], visit: NamedDependency[Visit], form: NamedDependency[Form]
) -> Response[str] | Redirect:
    try:
        await visit.control.integrations.discard_draft(visit.identity, str(integration_id), revision_in(form))
    except (ConflictError, OutdatedError) as error:
        return await _discarding(visit, str(integration_id), error)
    return see(f"/incoming/{integration_id}", "discarded")


async def _unpublishing(visit: Visit, integration_id: str, error: RequestError | None = None) -> Response[str]:
    integration = await visit.control.integrations.get(visit.identity, integration_id)
    summaries = await visit.control.activity.summaries(visit.identity, [integration.id])
    return visit.page("unpublish.html", error, integration=integration, day=summaries[integration.id])


async def _discarding(visit: Visit, integration_id: str, error: RequestError | None = None) -> Response[str]:
    integration = await visit.control.integrations.get(visit.identity, integration_id)
    found = differences(integration, discard_draft(integration))
    changes = {camel_case(path.removeprefix("draft.")): change for path, change in found.items()}
    return visit.page("discard_draft.html", error, integration=integration, changes=changes)
