"""Routes: the workspace itself."""

from litestar import get, patch
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Struct

from services.config.identity import Permission, Workspace
from services.config.rest.preconditions import IfMatch, Tagged
from services.config.rest.requests import By, needs
from services.config.revisions import expected
from services.config.workspace import OwnWorkspace, WorkspaceChanges

Rules = NamedDependency[OwnWorkspace]


class WorkspaceAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """`time_zone` is the one in which dates of filters are meant."""

    id: str
    name: str
    time_zone: str


def workspace_routes() -> list[HTTPRouteHandler]:
    return [read, change]


@get("/workspace", opt=needs(Permission.INTEGRATIONS_READ), summary="Read the workspace", tags=["Workspace"])
async def read(identity: By, workspace: Rules) -> Tagged[WorkspaceAnswer]:
    """The workspace of the session."""
    found = await workspace.get(identity)
    return Tagged(workspace_answer(found), found)


@patch("/workspace", opt=needs(Permission.ADMIN), summary="Change the workspace", tags=["Workspace"])
async def change(
    data: JSONBody[WorkspaceChanges], identity: By, workspace: Rules, if_match: IfMatch = None
) -> Tagged[WorkspaceAnswer]:
    """Only the fields given. A time zone is in force for all Business Events within a second."""
    changed = await workspace.change(identity, data, expected(if_match))
    return Tagged(workspace_answer(changed), changed)


def workspace_answer(workspace: Workspace) -> WorkspaceAnswer:
    return WorkspaceAnswer(id=workspace.id, name=workspace.name, time_zone=workspace.time_zone)
