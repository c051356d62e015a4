"""Since when each note waits, and why; what the settings let in"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("amendments", sa.Column("asked_at", UTCDateTime(), nullable=True))
    op.add_column("amendments", sa.Column("reason", sa.Text(), nullable=True))
    op.create_table(
        "noted_rights",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("held", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_noted_rights"),
    )
    op.execute("UPDATE amendments SET asked_at = due_at")
