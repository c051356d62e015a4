"""Pauses say their cause and beginning, services what is wrong; problems are read from indexes"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TRACKED = sa.text("removed_at IS NULL AND state <> 'paused' AND failure IS NOT NULL")
UNSETTLED = sa.text("state <> 'published'")
REMOVED = sa.text("removed_at IS NOT NULL")
RETRIED = sa.text("state IN ('pending', 'sending', 'uncertain') AND attempts >= 3")
NOTE_FAILED = sa.text("state = 'published' AND reason IS NOT NULL")


def upgrade() -> None:
    op.add_column(
        "pauses",
        sa.Column(
            "cause", sa.String(length=20), server_default=sa.text("'vendor'"), nullable=False
        ),
    )
    op.add_column("pauses", sa.Column("since", sa.DateTime(timezone=True)))
    op.add_column("services", sa.Column("health_problems", sa.Text()))
    op.add_column("feed", sa.Column("failure", sa.Text()))
    op.add_column("feed", sa.Column("failing_since", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_users_troubled",
        "users",
        ["state", "complete_until"],
        sqlite_where=TRACKED,
        postgresql_where=TRACKED,
    )
    op.create_index(
        "ix_deals_unsettled",
        "deals",
        ["state", "sent_at"],
        sqlite_where=UNSETTLED,
        postgresql_where=UNSETTLED,
    )
    op.create_index(
        "ix_publications_note_failed",
        "publications",
        ["id"],
        sqlite_where=NOTE_FAILED,
        postgresql_where=NOTE_FAILED,
    )
    op.create_index(
        "ix_users_removed", "users", ["key"], sqlite_where=REMOVED, postgresql_where=REMOVED
    )
    op.create_index(
        "ix_publications_retried",
        "publications",
        ["sent_at"],
        sqlite_where=RETRIED,
        postgresql_where=RETRIED,
    )
