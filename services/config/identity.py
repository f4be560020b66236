"""Who asks, and for whom."""

from msgspec import Struct


class Workspace(Struct, frozen=True, kw_only=True):
    """The boundary around everything a company owns. `time_zone` is an IANA name."""

    id: str
    name: str
    time_zone: str


class Identity(Struct, frozen=True, kw_only=True):
    """A user in their workspace."""

    user_id: str
    email: str
    workspace: Workspace
