"""Since when something of an undo has failed that nobody has tried again or acknowledged."""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None

# What failed before the upgrade was never told, so it counts, too.
FAILED_BEFORE = """
    UPDATE undos SET failed_at = (
        SELECT min(failed.ended_at) FROM (
            SELECT undo_id, state, ended_at FROM undone
            UNION ALL SELECT undo_id, state, ended_at FROM undone_deals
        ) AS failed
        WHERE failed.undo_id = undos.id AND failed.state = 'failed'
    )
"""


def upgrade() -> None:
    op.add_column("undos", sa.Column("failed_at", UTCDateTime(), nullable=True))
    op.execute(FAILED_BEFORE)


def downgrade() -> None:
    op.drop_column("undos", "failed_at")
