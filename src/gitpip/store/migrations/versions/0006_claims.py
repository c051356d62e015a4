"""Claims of one check are found by its token"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CLAIMED = sa.text("claimed_by IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_users_claimed_by",
        "users",
        ["claimed_by"],
        sqlite_where=CLAIMED,
        postgresql_where=CLAIMED,
    )
