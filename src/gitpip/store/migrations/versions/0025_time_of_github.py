"""When users were added and listed by GitHub's clock, and what the backfill rule has left"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

LOOKED_AT = sa.text("removed_at IS NULL AND state <> 'paused'")
ACTIVE = sa.text("removed_at IS NULL AND state <> 'paused' AND state = 'active'")


def upgrade() -> None:
    for column in (
        sa.Column("added_at", UTCDateTime(), nullable=True),
        sa.Column("added_by_our_clock", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("backfill_left", sa.Integer(), nullable=True),
        sa.Column("listed_at", UTCDateTime(), nullable=True),
    ):
        op.add_column("users", column)
    op.execute(
        "UPDATE users SET backfill_left = CASE WHEN checked_at IS NULL"
        " THEN CAST(substr(backfill, 8) AS INTEGER) ELSE 0 END WHERE backfill LIKE 'latest:%'"
    )
    op.drop_index("ix_users_known", table_name="users")
    op.create_index(
        "ix_users_known",
        "users",
        ["complete_until", "state"],
        sqlite_where=LOOKED_AT,
        postgresql_where=LOOKED_AT,
    )
    op.create_index(
        "ix_users_listed",
        "users",
        [sa.text("coalesce(listed_at, created_at)")],
        sqlite_where=ACTIVE,
        postgresql_where=ACTIVE,
    )
    op.drop_column("unreadable", "first_look")
    op.add_column(
        "services",
        sa.Column("clock_ahead", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
