"""Activities that wait for their publication tell their content"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("markers", sa.Column("content", sa.String(64), nullable=True))
