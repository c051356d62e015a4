"""When the end of a person's pause was told, so that its row can stay: a clock may be wrong."""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publishing_pause", sa.Column("end_told_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("publishing_pause", "end_told_at")
