"""What the tables of the first release can hold: one row in each, as that release wrote them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, DateTime, Uuid, column, insert, table

from services.config.store import migrations

NOW: Final = datetime(2026, 1, 31, 9, 15, 30, 123456, tzinfo=UTC)
WORKSPACE: Final = UUID("01a20c53-0000-7000-8000-000000000001")
USER: Final = UUID("01a20c53-0000-7000-8000-000000000002")
INTEGRATION: Final = UUID("01a20c53-0000-7000-8000-000000000003")
BUSINESS_EVENT: Final = UUID("01a20c53-0000-7000-8000-000000000004")
TOKEN_SHA256: Final = "ab" * 32

_ROWS: Final[dict[str, dict[str, object]]] = {
    "workspaces": {"id": WORKSPACE, "name": "Workspace", "time_zone": "Europe/Berlin", "created_at": NOW},
    "users": {
        "id": USER,
        "workspace_id": WORKSPACE,
        "email": "ada@example.com",
        "password_hash": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA",
        "created_at": NOW,
    },
    "sessions": {
        "token_sha256": TOKEN_SHA256,
        "workspace_id": WORKSPACE,
        "user_id": USER,
        "created_at": NOW,
        "expires_at": NOW + timedelta(hours=12),
    },
    "integrations": {
        "id": INTEGRATION,
        "workspace_id": WORKSPACE,
        "draft": '{"name":"Second","icon":"bell","auth":{"kind":"none"},"deduplication":null}',
        "published": '{"name":"First","icon":null,"auth":{"kind":"none"},'
        '"deduplication":{"parameters":["body.id","headers.x-id"],"onRedisDown":"accept"}}',
        "version": 7,
        "created_at": NOW,
        "updated_at": NOW + timedelta(days=1),
    },
    "business_events": {
        "id": BUSINESS_EVENT,
        "workspace_id": WORKSPACE,
        "integration_id": INTEGRATION,
        "name": "High",
        "where": '{"all":[{"param":"body.amount","type":"number","operator":"MORE","value":1e2}]}',
        "state": "paused",
        "version": 3,
        "created_at": NOW,
        "updated_at": NOW + timedelta(days=1),
    },
    "outbox": {"key": f"integration/{INTEGRATION}", "value": None},
}


def create(connection: Connection) -> None:
    """Make that release's tables, with the rows."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    settings.attributes["connection"] = connection
    command.upgrade(settings, "0001")
    for name, row in _ROWS.items():
        columns = [column(field, _type_of(value)) for field, value in row.items()]
        connection.execute(insert(table(name, *columns)).values(row))


def _type_of(value: object) -> Uuid[UUID] | DateTime | None:
    match value:
        case UUID():
            return Uuid()
        case datetime():
            return DateTime(timezone=True)
        case _:
            return None
