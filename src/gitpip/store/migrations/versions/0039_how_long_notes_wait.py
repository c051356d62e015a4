"""Since when each note waits to be brought up to date, and why"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.schema import UTCDateTime

revision = "0039"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("amendments", sa.Column("asked_at", UTCDateTime(), nullable=True))
    op.add_column("amendments", sa.Column("reason", sa.Text(), nullable=True))
    op.execute("UPDATE amendments SET asked_at = due_at")
