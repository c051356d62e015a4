"""Filters of the inbox that readers saved"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox_filters",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("viewer", sa.String(100), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("saved_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_filters")),
        sa.UniqueConstraint("viewer", "name", name=op.f("uq_inbox_filters_viewer_name")),
    )
