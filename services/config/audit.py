"""The audit log as values: who changed what, when, and the difference it made. Secrets are masked."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from services.config.definitions import ApiKey, BusinessEvent, Capture, Integration, SigningKey
from services.config.identity import User, Workspace


class DeadLetterScope(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Dead letters that somebody replays or discards: so many, at most, and what they were chosen by."""

    count: int
    integration_id: str | None = None
    cause: str | None = None
    service: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    place: str | None = None

    @property
    def id(self) -> str:
        return self.place or self.integration_id or "all"

    @property
    def name(self) -> str:
        return self.cause or self.id


Audited = Integration | BusinessEvent | ApiKey | SigningKey | User | Workspace | Capture | DeadLetterScope

MASK: Final = "***"
_SECRETS: Final = frozenset({"appSecrets", "verifyToken", "password_hash", "secret_sha256", "sealed_private_key"})
# They change with everything else, or never.
_BOOKKEEPING: Final = frozenset({"id", "revision", "changed_by", "created_at", "updated_at"})
_KINDS: Final[Mapping[type[Audited], str]] = {
    Integration: "integration",
    BusinessEvent: "business-event",
    ApiKey: "api-key",
    SigningKey: "signing-key",
    User: "user",
    Workspace: "workspace",
    Capture: "capture",
    DeadLetterScope: "dead-letters",
}


class Difference(Struct, frozen=True, kw_only=True):
    """What became of one field; unset where there was, or is, none."""

    before: object = msgspec.UNSET
    after: object = msgspec.UNSET


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One change. `user_id` is None where nobody asked for it, such as a rotation that was due.

    `action` is a past participle: created, changed, published... `changes` are by the path of the field.
    """

    id: str
    at: datetime
    user_id: str | None
    user_email: str
    action: str
    subject_kind: str
    subject_id: str
    subject_name: str
    changes: dict[str, Difference]


def subject_kinds() -> Sequence[str]:
    """All that there are."""
    return list(_KINDS.values())


def subject_kind(subject: Audited) -> str:
    return _KINDS[type(subject)]


def differences(before: Audited | None, after: Audited | None) -> dict[str, Difference]:
    """Field by field, what was and what is; for a secret only that it has changed."""
    return {
        path: Difference(before=_masked(path, one), after=_masked(path, other))
        for path, one, other in _compare("", _fields(before), _fields(after))
    }


def _fields(subject: Audited | None) -> dict[str, object]:
    if subject is None:
        return {}
    fields: dict[str, object] = msgspec.to_builtins(subject)
    return {name: value for name, value in fields.items() if name not in _BOOKKEEPING and value is not None}


def _compare(
    path: str, before: Mapping[str, object], after: Mapping[str, object]
) -> Iterator[tuple[str, object, object]]:
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name, msgspec.UNSET), after.get(name, msgspec.UNSET)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _compare(f"{path}{name}.", one, other)
        elif not _is_same(one, other):
            yield from _leaves(f"{path}{name}", one, other)


def _is_same(one: object, other: object) -> bool:
    """Whether it is the same JSON: for Python, 1 and True are equal, also within a list."""
    if one is msgspec.UNSET or other is msgspec.UNSET:
        return one is other
    return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")


def _leaves(path: str, before: object, after: object) -> Iterator[tuple[str, object, object]]:
    """A whole object that came or went, by its fields, so that its secrets are found."""
    one = before if isinstance(before, dict) else {}
    other = after if isinstance(after, dict) else {}
    if one or other:
        yield from _compare(f"{path}.", one, other)
    if (before is not msgspec.UNSET and not one) or (after is not msgspec.UNSET and not other):
        yield path, msgspec.UNSET if one else before, msgspec.UNSET if other else after


def _masked(path: str, value: object) -> object:
    secret = path.rpartition(".")[2] in _SECRETS
    return MASK if secret and value is not msgspec.UNSET else value
