"""The rules for what a workspace itself is: its name, and the time zone in which the dates of its filters are meant."""

from functools import cache
from importlib.resources import files
from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from services.config.errors import Fault, InvalidError
from services.config.identity import Identity, Workspace
from services.config.revisions import Expected, check_overwrite
from services.config.store.scope import Workspaces
from services.config.texts import check_text

NAME_LIMIT: Final = 200


class WorkspaceChanges(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The fields to change. `time_zone` is an IANA name."""

    name: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET


class OwnWorkspace:
    """What somebody may do with their workspace."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def get(self, by: Identity) -> Workspace:
        async with self._workspaces.reading(by.workspace.id) as scope:
            return scope.workspace

    async def change(self, by: Identity, changes: WorkspaceChanges, expected: Expected) -> Workspace:
        """Change it. Another time zone is in force for all its Business Events at once.

        Raises:
            InvalidError: what was given breaks a rule.
            OutdatedError, UnseenError: see `revisions`.
        """
        faults: list[Fault] = []
        changed: dict[str, str] = {}
        if changes.name is not UNSET:
            changed["name"] = check_text(changes.name, "name", NAME_LIMIT, faults)
        if changes.time_zone is not UNSET:
            changed["time_zone"] = _check_time_zone(changes.time_zone, faults)
        if faults:
            raise InvalidError(faults)
        async with self._workspaces.changing(by) as scope:
            before = scope.workspace
            check_overwrite(before, expected, by)
            if replace(before, **changed) == before:
                return before
            await scope.store_workspace(replace(before, **changed, revision=before.revision + 1, changed_by=by.user_id))
            return scope.workspace


def _check_time_zone(given: str, faults: list[Fault]) -> str:
    if given not in time_zones():
        faults.append(Fault("timeZone", "must be the IANA name of a time zone, such as Europe/Warsaw"))
    return given


@cache
def time_zones() -> frozenset[str]:
    """Those of a package that the trigger service has too.

    A name that only this machine knows, such as ``localtime``, would stop that service.
    """
    names = files("tzdata").joinpath("zones").read_text("ascii").split()
    return frozenset(names) - {"Factory"}
