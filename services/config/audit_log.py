"""Reading the audit log, with fields named as in the API; it is written with the changes, see `store.scope`."""

from msgspec.structs import replace

from services.config.audit import AuditEntry, subject_kinds
from services.config.errors import Fault, InvalidError
from services.config.identity import Identity
from services.config.pages import Page, page_of
from services.config.store.scope import Workspaces
from services.config.texts import camel_case


class AuditLog:
    """The audit log of a workspace."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def page(
        self, by: Identity, limit: int, before: str | None, subject_kind: str | None, subject_id: str | None
    ) -> Page[AuditEntry]:
        """The newest entries, of one kind of subject, of one subject, or of all.

        Raises:
            InvalidError: there is no such kind.
        """
        if subject_kind is not None and subject_kind not in (kinds := subject_kinds()):
            raise InvalidError([Fault("subjectKind", f"must be one of {', '.join(kinds)}")])
        wanted = {"subject_kind": subject_kind, "subject_id": subject_id}
        matching = {name: value for name, value in wanted.items() if value is not None}
        async with self._workspaces.reading(by.workspace.id) as scope:
            found = await scope.audit_log.newest(limit + 1, before=before, **matching)
        return page_of([_shown(one) for one in found], limit)


def _shown(entry: AuditEntry) -> AuditEntry:
    return replace(entry, changes={camel_case(path): change for path, change in entry.changes.items()})
