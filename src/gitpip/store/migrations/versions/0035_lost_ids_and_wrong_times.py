"""Which files gave up the ids of their activities, and when times of a wrong clock were set back"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

LOST = sa.text("activity_lost_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("ledger", sa.Column("times_set_back_at", UTCDateTime(), nullable=True))
    op.add_column("publications", sa.Column("activity_lost_at", UTCDateTime(), nullable=True))
    op.create_index(
        "ix_publications_activity_lost_at",
        "publications",
        ["activity_lost_at"],
        sqlite_where=LOST,
        postgresql_where=LOST,
    )
