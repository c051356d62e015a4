"""An uncertain write is looked for early, and a note's rewriting is tried a limited number of times

`in_flight_until` is NULL for what was uncertain before; it is then derived from `sent_at`.
"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publications", sa.Column("in_flight_until", UTCDateTime(), nullable=True))
    op.add_column("deals", sa.Column("in_flight_until", UTCDateTime(), nullable=True))
    op.add_column(
        "amendments",
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
