"""What happens is kept as rows, for people and programs that follow it"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", Key, primary_key=True, autoincrement=True),
        sa.Column("happened_at", UTCDateTime(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("user_key", Key),
        sa.Column("gist_id", sa.String(64)),
        sa.Column("publication_id", Key),
        sa.Column("detail", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_happened_at", "events", ["happened_at"])
    op.create_index("ix_events_user_key", "events", ["user_key", "id"])
