"""The rules for users: who may sign in to a workspace, and what they may do there."""

import re
import secrets
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from libs.identifiers import new_event_id
from services.config.accounts import address_of
from services.config.errors import ConflictError, Fault, InvalidError, NotFoundError
from services.config.identity import ROLES, Identity, Permission, Permissions, User, permission_set
from services.config.pages import Page, page_of
from services.config.passwords import Passwords
from services.config.revisions import ANY, Expected, check, check_overwrite
from services.config.store import accounts
from services.config.store.scope import Scope, Workspaces

# No rule but the length: NIST SP 800-63B, section 5.1.1.
Password = Annotated[str, Meta(min_length=12, max_length=1024)]
Role = Literal["viewer", "author", "publisher", "administrator"]

_ADDRESS: Final = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+")
_ADDRESS_LIMIT: Final = 254


class NewUser(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user as an administrator makes one: with permissions, or a role, which is a set of them."""

    email: str
    password: Password | UnsetType = UNSET
    permissions: tuple[Permission, ...] | UnsetType = UNSET
    role: Role | UnsetType = UNSET


class UserChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields to change. A new password ends the sessions of the user."""

    password: Password | UnsetType = UNSET
    permissions: tuple[Permission, ...] | UnsetType = UNSET
    role: Role | UnsetType = UNSET


class MadeUser(Struct, frozen=True, kw_only=True):
    """A new user. `password` is the generated one, shown only now; None if it was given."""

    user: User
    password: str | None


class Users:
    """What an administrator may do with the users of their workspace.

    Every call that names one raises `NotFoundError` if the workspace has no such one.
    """

    def __init__(self, workspaces: Workspaces, passwords: Passwords) -> None:
        self._workspaces = workspaces
        self._passwords = passwords

    async def create(self, by: Identity, given: NewUser) -> MadeUser:
        """A new user, who may sign in at once.

        Raises:
            InvalidError: what was given breaks a rule, or the address is taken.
        """
        faults: list[Fault] = []
        email = address_of(given.email)
        if not _ADDRESS.fullmatch(email) or len(email) > _ADDRESS_LIMIT:
            faults.append(Fault("email", "is not an email address"))
        permissions = _permissions(given.permissions, given.role, faults)
        if permissions is None and not faults:
            faults.append(Fault("permissions", "is required, or a role"))
        if faults or permissions is None:
            raise InvalidError(faults)
        generated = secrets.token_urlsafe(18) if given.password is UNSET else None
        hashed = await self._passwords.hash(generated or str(given.password))
        async with self._workspaces.changing(by) as scope:
            user = User(
                id=new_event_id(),
                email=email,
                password_hash=hashed,
                permissions=permissions,
                created_at=scope.now,
                changed_by=by.user_id,
            )
            with accounts.taking_address():
                await scope.store("created", None, user)
        return MadeUser(user=user, password=generated)

    async def page(self, by: Identity, limit: int, before: str | None) -> Page[User]:
        async with self._workspaces.reading(by.workspace.id) as scope:
            return page_of(await scope.users.newest(limit + 1, before=before), limit)

    async def get(self, by: Identity, user_id: str) -> User:
        async with self._workspaces.reading(by.workspace.id) as scope:
            return await _existing(scope, user_id)

    async def change(
        self, by: Identity, user_id: str, changes: UserChanges, expected: Expected, *, own_hash: str | None = None
    ) -> User:
        """Change what a user may do, from their next request on, or their password.

        With `own_hash` it is their own password; nobody overwrites anything by not having seen that.

        Raises:
            InvalidError: what was given breaks a rule, or `own_hash` is not that of the password any more.
            ConflictError: nobody would be left who may do this.
            OutdatedError, UnseenError: see `revisions`.
        """
        faults: list[Fault] = []
        permissions = _permissions(changes.permissions, changes.role, faults)
        if faults:
            raise InvalidError(faults)
        hashed = None if changes.password is UNSET else await self._passwords.hash(changes.password)
        async with self._workspaces.changing(by) as scope:
            before = await _existing(scope, user_id)
            check_overwrite(before, expected, by)
            if own_hash not in {None, before.password_hash}:
                raise _wrong_password()
            after = replace(
                before,
                permissions=before.permissions if permissions is None else permissions,
                password_hash=hashed or before.password_hash,
            )
            if after != before:
                changed_by = by.user_id if own_hash is None else before.changed_by
                after = replace(after, revision=before.revision + 1, changed_by=changed_by)
                await scope.store("changed", before, after)
                await _check_administrators(scope)
            if hashed:
                await accounts.remove_sessions_of(scope.connection, user_id)
        return after

    async def delete(self, by: Identity, user_id: str, expected: Expected) -> None:
        """Forget a user; their sessions end.

        Raises:
            ConflictError: nobody would be left who may do this.
            OutdatedError: see `revisions`.
        """
        async with self._workspaces.changing(by) as scope:
            before = await _existing(scope, user_id)
            check(before, expected)
            await scope.store("deleted", before, None)
            await _check_administrators(scope)

    async def change_own_password(self, by: Identity, current: str, password: str) -> None:
        """Set the password of who asks; their sessions end, this one too.

        Raises:
            InvalidError: the current password is wrong.
        """
        user = await self.get(by, by.user_id)
        if not await self._passwords.matches(current, user.password_hash):
            raise _wrong_password()
        await self.change(by, by.user_id, UserChanges(password=password), ANY, own_hash=user.password_hash)


def _wrong_password() -> InvalidError:
    return InvalidError([Fault("currentPassword", "is wrong")])


async def _existing(scope: Scope, user_id: str) -> User:
    user = await scope.users.get(user_id)
    if user is None:
        raise NotFoundError("There is no such user.")
    return user


async def _check_administrators(scope: Scope) -> None:
    able = {Permission.ADMIN, Permission.AUTOMATION_ACCESS}
    if not any(able <= set(user.permissions) for user in await scope.users.all()):
        raise ConflictError("Nobody would be left who may administrate this workspace.")


def _permissions(
    given: tuple[Permission, ...] | UnsetType, role: Role | UnsetType, faults: list[Fault]
) -> Permissions | None:
    """The set that is asked for, None if neither is given."""
    if given is not UNSET and role is not UNSET:
        faults.append(Fault("role", "must not be given beside permissions"))
    if role is not UNSET:
        return ROLES[role]
    return None if given is UNSET else permission_set(given)
