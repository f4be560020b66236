"""The activity of integrations: their latest requests, and counts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "activity_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_activity_entries"),
        _of_integration("activity_entries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_activity_entries_integration_id_id", "activity_entries", ["integration_id", "id"])
    op.create_index("ix_activity_entries_workspace_id_last_at", "activity_entries", ["workspace_id", "last_at"])
    op.create_table(
        "activity_counts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("integration_id", "at", name="pk_activity_counts"),
        _of_integration("activity_counts"),
    )
    op.create_index("ix_activity_counts_at", "activity_counts", ["at"])
    op.create_table(
        "last_requests",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("integration_id", name="pk_last_requests"),
        _of_integration("last_requests"),
    )
    op.create_table(
        "activity_offsets",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name="pk_activity_offsets"),
    )


def _of_integration(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", "integration_id"],
        ["integrations.workspace_id", "integrations.id"],
        name=f"fk_{table}_integrations",
        ondelete="CASCADE",
    )
