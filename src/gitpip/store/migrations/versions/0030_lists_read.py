"""How many lists a check read by REST although their users were not due"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "checks", sa.Column("listed", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
