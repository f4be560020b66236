"""Who may use the control plane: the first administrator, logging in and out, sessions."""

import hashlib
import secrets
import sys
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from libs.identifiers import new_event_id
from services.config.attempts import Attempts
from services.config.definitions import Clock
from services.config.errors import UnauthenticatedError
from services.config.identity import ROLES, Identity, User, Workspace
from services.config.passwords import Passwords
from services.config.store import accounts
from services.config.store.accounts import Session
from services.config.store.database import Database
from services.config.store.migrate import upgrade
from services.config.store.scope import Scope

_TOKEN_BYTES: Final = 32
_FIRST_WORKSPACE: Final = "Workspace"


class NewSession(Struct, frozen=True, kw_only=True):
    """The only sight of a session's token."""

    token: str
    expires_at: datetime


class Accounts:
    """Users and their sessions."""

    def __init__(self, database: Database, passwords: Passwords, *, session_lifetime: timedelta, now: Clock) -> None:
        self._database = database
        self._passwords = passwords
        self._session_lifetime = session_lifetime
        self._now = now
        self._attempts = Attempts(per_second=1 / 6, burst=10, counts_successes=False, places=10)

    async def set_up(self, email: str, password: str) -> None:
        """Bring the tables up to date and, if there is no user yet, create a workspace with an administrator.

        Without a password one is generated and printed, before it is stored: a crash in between costs nothing.
        """
        async with self._database.migrating() as connection:
            await connection.run_sync(upgrade)
            if await accounts.has_users(connection):
                return
            workspace = Workspace(id=new_event_id(), name=_FIRST_WORKSPACE, time_zone="UTC")
            await accounts.add_workspace(connection, workspace, self._now())
            user = User(
                id=new_event_id(),
                email=address_of(email),
                password_hash=await self._passwords.hash(password or _announced_password(email)),
                permissions=ROLES["administrator"],
                created_at=self._now(),
            )
            await Scope(connection, workspace, None, self._now()).store("created", None, user)

    def guessing(self, email: str, address: str) -> AbstractContextManager[None]:
        """Around whatever tells whether a password is right: what fails counts, for the user and for the address.

        Raises:
            ThrottledError: there were too many.
        """
        return self._attempts.at(address_of(email), address)

    async def log_in(self, email: str, password: str, address: str) -> NewSession:
        """Open a session for somebody at this network address.

        Raises:
            UnauthenticatedError: after the same time and in the same words whether it is the address or the password.
            ThrottledError: there were too many attempts.
        """
        with self.guessing(email, address):
            return await self._log_in(email, password)

    async def _log_in(self, email: str, password: str) -> NewSession:
        refusal = UnauthenticatedError("The email address or the password is wrong.")
        async with self._database.reading() as connection:
            found = await accounts.find_user(connection, address_of(email))
        matches = await self._passwords.matches(password, None if found is None else found[1].password_hash)
        if found is None or not matches:
            raise refusal
        (workspace_id, user), now = found, self._now()
        opened = NewSession(token=secrets.token_urlsafe(_TOKEN_BYTES), expires_at=now + self._session_lifetime)
        async with self._database.writing() as connection:
            # Checking took a while. A password that was changed meanwhile has ended all sessions, and opens none.
            if not await accounts.has_password(connection, user.id, user.password_hash):
                raise refusal
            await accounts.remove_expired_sessions(connection, now)
            await accounts.add_session(
                connection,
                Session(
                    token_sha256=_sha256(opened.token),
                    workspace_id=workspace_id,
                    user_id=user.id,
                    created_at=now,
                    expires_at=opened.expires_at,
                ),
            )
        return opened

    async def log_out(self, token: str) -> None:
        async with self._database.writing() as connection:
            await accounts.remove_session(connection, _sha256(token))

    async def identify(self, token: str) -> Identity:
        """Whose session this is.

        Raises:
            UnauthenticatedError: there is no such session, or it has expired.
        """
        async with self._database.reading() as connection:
            identity = await accounts.find_identity(connection, _sha256(token), self._now())
        if identity is None:
            raise UnauthenticatedError("The session does not exist or has expired. Log in again.")
        return identity


def address_of(email: str) -> str:
    """An email address as it is stored."""
    return email.strip().lower()


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _announced_password(email: str) -> str:
    password = secrets.token_urlsafe(18)
    sys.stderr.write(f"The first administrator is {email}, password {password} (not shown again)\n")
    return password
