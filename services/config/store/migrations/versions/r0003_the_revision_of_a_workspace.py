"""Which state of a workspace a change is meant for, and whose the last one was."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("workspaces", sa.Column("changed_by", sa.Uuid()))
