"""The tables. The migrations create them; a test holds the two together."""

from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

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

from libs import messages
from services.config.audit import Difference
from services.config.definitions import Draft
from services.config.entries import Entry
from services.config.identity import Permissions

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

    def __init__(self, kind: Any) -> None:  # noqa: ANN401  a type or an alias of one, as msgspec takes it
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:  # noqa: ARG002
        if value is None:
            return None
        decoded: T = msgspec.json.decode(value, type=self.kind)
        return decoded


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


def _of_integration(column: str) -> ForeignKeyConstraint:
    """What is deleted with its integration."""
    referred = ["integrations.workspace_id", "integrations.id"]
    return ForeignKeyConstraint(["workspace_id", column], referred, ondelete="CASCADE")


workspaces: Final = Table(
    "workspaces",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("changed_by", Uuid(as_uuid=False)),
    Column("created_at", Instant, nullable=False),
)

users: Final = Table(
    "users",
    metadata,
    _id(),
    _id("workspace_id"),
    Column("email", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("permissions", JsonText[Permissions](Permissions), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("changed_by", Uuid(as_uuid=False)),
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
    Column("revision", Integer, nullable=False),
    Column("changed_by", Uuid(as_uuid=False)),
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
    Column("changed_by", Uuid(as_uuid=False)),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
    # Both columns: an integration of another workspace cannot be referred to.
    ForeignKeyConstraint(["workspace_id", "integration_id"], ["integrations.workspace_id", "integrations.id"]),
    Index(None, "workspace_id", "integration_id"),
)

# The secret itself is nowhere: whoever reads this table cannot make a token.
api_keys: Final = Table(
    "api_keys",
    metadata,
    _id(),
    _id("workspace_id"),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("permissions", JsonText[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("allowed_ips", JsonText[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("revision", Integer, nullable=False),
    Column("changed_by", Uuid(as_uuid=False)),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
    UniqueConstraint("secret_sha256"),
    Index(None, "workspace_id"),
)

signing_keys: Final = Table(
    "signing_keys",
    metadata,
    _id(),
    _id("workspace_id"),
    Column("sealed_private_key", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("signs_from", Instant),
    Column("verifies_until", Instant),
    Column("created_at", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
    Index(None, "workspace_id"),
)

# The last capture of each integration, whose id it has.
captures: Final = Table(
    "captures",
    metadata,
    _id(),
    _id("workspace_id"),
    Column("generation", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("sample", JsonText[messages.Sample](messages.Sample)),
    Column("refused", JsonText[tuple[messages.RefusedSample, ...]](tuple[messages.RefusedSample, ...]), nullable=False),
    _of_integration("id"),
)

# Triggers of the database refuse to change or delete what is in it.
audit_log: Final = Table(
    "audit_log",
    metadata,
    _id(),
    _id("workspace_id"),
    Column("at", Instant, nullable=False),
    Column("user_id", Uuid(as_uuid=False)),
    Column("user_email", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject_kind", String(32), nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("subject_name", Text, nullable=False),
    Column("changes", JsonText[dict[str, Difference]](dict[str, Difference]), nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
    Index(None, "workspace_id", "id"),
)

# The latest requests to each integration, a row for each that the reader of the activity topic has stored at once.
activity_entries: Final = Table(
    "activity_entries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    _id("workspace_id"),
    _id("integration_id"),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("size", Integer, nullable=False),
    Column("entries", JsonText[tuple[Entry, ...]](tuple[Entry, ...]), nullable=False),
    _of_integration("integration_id"),
    Index(None, "integration_id", "id"),
    Index(None, "workspace_id", "last_at"),
    sqlite_autoincrement=True,
)

# `at` is the beginning of five minutes.
activity_counts: Final = Table(
    "activity_counts",
    metadata,
    _id("workspace_id"),
    Column("integration_id", Uuid(as_uuid=False), primary_key=True, nullable=False),
    Column("at", Instant, primary_key=True, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    _of_integration("integration_id"),
    Index(None, "at"),
)

last_requests: Final = Table(
    "last_requests",
    metadata,
    _id("workspace_id"),
    Column("integration_id", Uuid(as_uuid=False), primary_key=True, nullable=False),
    Column("at", Instant, nullable=False),
    _of_integration("integration_id"),
)

# How far the activity topic is stored; changed only together with what was read up to there.
activity_offsets: Final = Table(
    "activity_offsets",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
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
