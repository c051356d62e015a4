"""Publications can be held for a person's decision, and tell when they were queued

What an earlier version stored has no such time: it does not count as part of a flood.
"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("unreadable", sa.Column("held_because", sa.Text(), nullable=True))
    op.add_column("publications", sa.Column("queued_at", UTCDateTime(), nullable=True))
