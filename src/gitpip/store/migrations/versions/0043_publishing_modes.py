"""Modes of publishing, why publications are held, who approved them, and a person's pause"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("publishing_mode", sa.String(20), nullable=True))
    op.create_index(
        "ix_users_publishing_mode",
        "users",
        ["publishing_mode"],
        sqlite_where=sa.text("publishing_mode IS NOT NULL"),
        postgresql_where=sa.text("publishing_mode IS NOT NULL"),
    )
    op.add_column("publications", sa.Column("held_because", sa.String(20), nullable=True))
    op.add_column("publications", sa.Column("approved_at", UTCDateTime(), nullable=True))
    op.add_column("publications", sa.Column("approved_by", sa.String(120), nullable=True))
    op.execute("UPDATE publications SET held_because = 'flood' WHERE state = 'held'")
    op.create_table(
        "publishing_pause",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused_by", sa.String(120), nullable=False),
        sa.Column("since", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_publishing_pause"),
    )
