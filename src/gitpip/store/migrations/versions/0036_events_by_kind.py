"""Events are found by their kind; that a user was removed is none any more"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM events WHERE kind = 'user.removed'")
    op.create_index("ix_events_kind", "events", ["kind", "id"])
