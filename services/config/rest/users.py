"""Routes: users, one's own password, and the audit log."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from services.config.accounts import Accounts
from services.config.advice import advice_on_user
from services.config.audit import AuditEntry, Difference
from services.config.audit_log import AuditLog
from services.config.definitions import Time
from services.config.errors import ConflictError, Fault, ThrottledError
from services.config.identity import Identity, Permission, Permissions, User, role_of
from services.config.rest.paging import DEFAULT_LIMIT, Cursor, Limit, before
from services.config.rest.preconditions import IfMatch, Tagged
from services.config.rest.requests import SIGNED_IN, ApiRequest, client_address, fails, needs
from services.config.revisions import expected
from services.config.users import NewUser, Password, UserChanges, Users

SubjectKind = Annotated[
    str | None, QueryParameter(name="subjectKind", description="Only changes of this kind, such as `integration`.")
]
SubjectId = Annotated[str | None, QueryParameter(name="subjectId", description="Only changes of this one.")]


class UserAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A user. `role` is the name of the set of permissions, if it has one; `warnings` tell if it is of no use."""

    id: str
    email: str
    permissions: Permissions
    role: str | None
    warnings: Sequence[Fault]
    created_at: Time


class NewUserAnswer(UserAnswer, frozen=True, kw_only=True, rename="camel"):
    """The password only if it was generated, and only here."""

    password: str | UnsetType = UNSET


class UsersAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page, the newest first; `next_cursor` is null on the last one."""

    items: Sequence[UserAnswer]
    next_cursor: str | None


class OwnPassword(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The password so far, and the new one."""

    current_password: Annotated[str, Meta(max_length=1024)]
    password: Password


class AuditEntryAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """Who changed what, when, and what it was and is; of secrets only that they have changed."""

    id: str
    at: Time
    user_id: str | None
    user_email: str
    action: str
    subject_kind: str
    subject_id: str
    subject_name: str
    changes: Mapping[str, Difference]


class AuditLogAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page, the newest first; `next_cursor` is null on the last one."""

    items: Sequence[AuditEntryAnswer]
    next_cursor: str | None


def user_router() -> Router:
    return Router("/users", route_handlers=[create, page, read, change, remove], tags=["Users"])


def other_routes() -> list[HTTPRouteHandler]:
    return [change_own_password, audit_log]


@post("/", opt=needs(Permission.ADMIN), summary="Create a user")
async def create(
    data: JSONBody[NewUser], identity: NamedDependency[Identity], users: NamedDependency[Users]
) -> Tagged[NewUserAnswer]:
    """With `permissions` or a `role`. Without a password one is generated and shown in this answer."""
    made = await users.create(identity, data)
    return Tagged(NewUserAnswer(**asdict(_answer(made.user)), password=made.password or UNSET), made.user, 201)


@get("/", opt=needs(Permission.ADMIN), summary="List the users")
async def page(
    identity: NamedDependency[Identity],
    users: NamedDependency[Users],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> UsersAnswer:
    """The newest first."""
    found = await users.page(identity, limit, before(cursor))
    return UsersAnswer(items=[_answer(one) for one in found.items], next_cursor=found.next_cursor)


@get("/{user_id:uuid}", opt=needs(Permission.ADMIN), summary="Read a user")
async def read(
    user_id: FromPath[UUID], identity: NamedDependency[Identity], users: NamedDependency[Users]
) -> Tagged[UserAnswer]:
    """Who they are and what they may do."""
    user = await users.get(identity, str(user_id))
    return Tagged(_answer(user), user)


@patch("/{user_id:uuid}", opt=needs(Permission.ADMIN) | fails(ConflictError), summary="Change a user")
async def change(
    user_id: FromPath[UUID],
    data: JSONBody[UserChanges],
    identity: NamedDependency[Identity],
    users: NamedDependency[Users],
    if_match: IfMatch = None,
) -> Tagged[UserAnswer]:
    """Permissions hold from the user's next request on; a new password ends their sessions."""
    user = await users.change(identity, str(user_id), data, expected(if_match))
    return Tagged(_answer(user), user)


@delete("/{user_id:uuid}", opt=needs(Permission.ADMIN) | fails(ConflictError), summary="Delete a user")
async def remove(
    user_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    users: NamedDependency[Users],
    if_match: IfMatch = None,
) -> None:
    """Their sessions end. 409 if nobody would be left who may do this."""
    await users.delete(identity, str(user_id), expected(if_match))


@patch("/me", opt=SIGNED_IN | fails(ThrottledError), status_code=204, summary="Change my password", tags=["Session"])
async def change_own_password(
    data: JSONBody[OwnPassword],
    request: ApiRequest,
    accounts: NamedDependency[Accounts],
    users: NamedDependency[Users],
) -> None:
    """All sessions of the user end, this one too."""
    with accounts.guessing(request.user.email, client_address(request)):
        await users.change_own_password(request.user, data.current_password, data.password)


@get("/audit-log", opt=needs(Permission.ADMIN), summary="Read the audit log", tags=["Audit log"])
async def audit_log(
    identity: NamedDependency[Identity],
    log: NamedDependency[AuditLog],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    subject_kind: SubjectKind = None,
    subject_id: SubjectId = None,
) -> AuditLogAnswer:
    """The newest first. Nothing changes or removes an entry."""
    found = await log.page(identity, limit, before(cursor), subject_kind, subject_id)
    return AuditLogAnswer(items=[_entry(one) for one in found.items], next_cursor=found.next_cursor)


def _answer(user: User) -> UserAnswer:
    return UserAnswer(
        id=user.id,
        email=user.email,
        permissions=user.permissions,
        role=role_of(user.permissions),
        warnings=advice_on_user(user),
        created_at=user.created_at,
    )


def _entry(entry: AuditEntry) -> AuditEntryAnswer:
    return AuditEntryAnswer(
        id=entry.id,
        at=entry.at,
        user_id=entry.user_id,
        user_email=entry.user_email,
        action=entry.action,
        subject_kind=entry.subject_kind,
        subject_id=entry.subject_id,
        subject_name=entry.subject_name,
        changes=entry.changes,
    )
