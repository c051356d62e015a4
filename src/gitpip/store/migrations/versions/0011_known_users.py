"""How well the active users are known is counted from an index alone"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ACTIVE = sa.text("removed_at IS NULL AND state <> 'paused' AND state = 'active'")


def upgrade() -> None:
    op.create_index(
        "ix_users_known",
        "users",
        ["complete_until"],
        sqlite_where=ACTIVE,
        postgresql_where=ACTIVE,
    )
