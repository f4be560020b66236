"""Which state of a user a change is meant for, and whose the last one was; and an audit log without replacements.

On SQLite ``REPLACE`` removes a row without asking the trigger that refuses to.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("users", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("users", sa.Column("changed_by", sa.Uuid()))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_log_no_replacement BEFORE INSERT ON audit_log "
            "WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id OR rowid = NEW.rowid) "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append only'); END"
        )
