"""Who asks, for whom, and what they may do."""

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct


class Permission(enum.StrEnum):
    """What a user may do. Without the first, nothing."""

    AUTOMATION_ACCESS = "AUTOMATION_ACCESS"
    INTEGRATIONS_READ = "INTEGRATIONS_READ"
    INTEGRATIONS_WRITE = "INTEGRATIONS_WRITE"
    INTEGRATIONS_PUBLISH = "INTEGRATIONS_PUBLISH"
    ADMIN = "ADMIN"


Permissions = tuple[Permission, ...]

_ORDER: Final = tuple(Permission)

# A role is a set of permissions and nothing more.
ROLES: Final[Mapping[str, Permissions]] = {
    "viewer": _ORDER[:2],
    "author": _ORDER[:3],
    "publisher": _ORDER[:4],
    "administrator": _ORDER,
}


def permission_set(given: Iterable[Permission]) -> Permissions:
    """Each permission once, in one order, so that equal sets are equal."""
    chosen = frozenset(given)
    return tuple(permission for permission in _ORDER if permission in chosen)


def role_of(permissions: Permissions) -> str | None:
    """The role that is this set, if one is."""
    return next((role for role, of_role in ROLES.items() if of_role == permissions), None)


class Workspace(Struct, frozen=True, kw_only=True):
    """The boundary around everything a company owns. `time_zone` is an IANA name.

    `revision` counts the changes, and `changed_by` is the user of the last one.
    """

    id: str
    name: str
    time_zone: str
    revision: int = 1
    changed_by: str | None = None


class User(Struct, frozen=True, kw_only=True):
    """Somebody who may sign in. The address is in lower case.

    `revision` counts the changes, and `changed_by` is the administrator of the last one.
    """

    id: str
    email: str
    password_hash: str
    permissions: Permissions
    created_at: datetime
    revision: int = 1
    changed_by: str | None = None

    @property
    def name(self) -> str:
        return self.email


class Identity(Struct, frozen=True, kw_only=True):
    """A user in their workspace."""

    user_id: str
    email: str
    permissions: Permissions
    workspace: Workspace

    def may(self, permission: Permission) -> bool:
        return Permission.AUTOMATION_ACCESS in self.permissions and permission in self.permissions
