"""Users and sessions. The only rows that are looked up without a workspace: a login is what finds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import delete, exists, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.config.errors import Fault, InvalidError
from services.config.identity import Identity, User, Workspace
from services.config.store.schema import sessions, users, workspaces


class Session(Struct, frozen=True, kw_only=True):
    """A user's session, known by the SHA-256 of its token."""

    token_sha256: str
    workspace_id: str
    user_id: str
    created_at: datetime
    expires_at: datetime


async def find_user(connection: AsyncConnection, email: str) -> tuple[str, User] | None:
    """The user with this address and the id of their workspace."""
    columns = [users.c[name] for name in User.__struct_fields__]
    rows = await connection.execute(select(users.c.workspace_id, *columns).where(users.c.email == email))
    row = rows.one_or_none()
    if row is None:
        return None
    fields = row._asdict()
    return fields.pop("workspace_id"), User(**fields)


@contextmanager
def taking_address() -> Iterator[None]:
    """Around storing a user: only the database can know of one who is being stored in another workspace.

    Raises:
        InvalidError: another user has the address. The transaction is over.
    """
    try:
        yield
    except IntegrityError as error:
        raise InvalidError([Fault("email", "is taken")]) from error


async def has_password(connection: AsyncConnection, user_id: str, password_hash: str) -> bool:
    """Whether a user still has the password with this hash; if so, until the end of the transaction."""
    query = select(users.c.id).where(users.c.id == user_id, users.c.password_hash == password_hash)
    return await connection.scalar(query.with_for_update(read=True)) is not None


async def has_users(connection: AsyncConnection) -> bool:
    return bool(await connection.scalar(select(exists().select_from(users))))


async def add_workspace(connection: AsyncConnection, workspace: Workspace, now: datetime) -> None:
    await connection.execute(insert(workspaces).values(**asdict(workspace), created_at=now))


async def add_session(connection: AsyncConnection, session: Session) -> None:
    await connection.execute(insert(sessions).values(asdict(session)))


async def remove_session(connection: AsyncConnection, token_sha256: str) -> None:
    await connection.execute(delete(sessions).where(sessions.c.token_sha256 == token_sha256))


async def remove_sessions_of(connection: AsyncConnection, user_id: str) -> None:
    await connection.execute(delete(sessions).where(sessions.c.user_id == user_id))


async def remove_expired_sessions(connection: AsyncConnection, now: datetime) -> None:
    await connection.execute(delete(sessions).where(sessions.c.expires_at <= now))


async def find_identity(connection: AsyncConnection, token_sha256: str, now: datetime) -> Identity | None:
    """Whose session this is, unless it has expired."""
    of_workspace = [workspaces.c[name] for name in Workspace.__struct_fields__]
    query = (
        select(users.c.id, users.c.email, users.c.permissions, *of_workspace)
        .select_from(sessions)
        .join(users, users.c.id == sessions.c.user_id)
        .join(workspaces, workspaces.c.id == sessions.c.workspace_id)
        .where(sessions.c.token_sha256 == token_sha256, sessions.c.expires_at > now)
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    user_id, email, permissions, *fields = row
    workspace = Workspace(**dict(zip(Workspace.__struct_fields__, fields, strict=True)))
    return Identity(user_id=user_id, email=email, permissions=permissions, workspace=workspace)
