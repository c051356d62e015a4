"""A service says which part of the whole it does"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "services",
        sa.Column("part", sa.String(length=10), server_default=sa.text("'all'"), nullable=False),
    )
