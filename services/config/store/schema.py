"""The tables. The migrations create them; a test holds the two together."""

from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
)

from services.config.definitions import Draft

T = TypeVar("T")

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


class JsonText(TypeDecorator[T], Generic[T]):
    """A value of one type as JSON text: exact on every database, unlike their own JSON types."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[T]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:  # noqa: ARG002
        return None if value is None else msgspec.json.decode(value, type=self.kind)


class Instant(TypeDecorator[datetime]):
    """An aware time in UTC, also on SQLite, which keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


def _id(name: str = "id") -> Column[str]:
    return Column(name, Uuid(as_uuid=False), primary_key=name == "id", nullable=False)


workspaces: Final = Table(
    "workspaces",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

users: Final = Table(
    "users",
    metadata,
    _id(),
    _id("workspace_id"),
    Column("email", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
    UniqueConstraint("email"),
)

# The token itself is nowhere: whoever reads this table cannot use its sessions.
sessions: Final = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    _id("workspace_id"),
    _id("user_id"),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
)

integrations: Final = Table(
    "integrations",
    metadata,
    _id(),
    _id("workspace_id"),
    Column("draft", JsonText(Draft), nullable=False),
    Column("published", JsonText(Draft)),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
    UniqueConstraint("workspace_id", "id"),
)

business_events: Final = Table(
    "business_events",
    metadata,
    _id(),
    _id("workspace_id"),
    _id("integration_id"),
    Column("name", Text, nullable=False),
    Column("where", JsonText(dict[str, object]), nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
    # Both columns: an integration of another workspace cannot be referred to.
    ForeignKeyConstraint(["workspace_id", "integration_id"], ["integrations.workspace_id", "integrations.id"]),
    Index(None, "workspace_id", "integration_id"),
)

# Records for the definitions topic, in the order of their ids, which are never used again.
outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("key", Text, nullable=False),
    Column("value", Text),
    sqlite_autoincrement=True,
)
