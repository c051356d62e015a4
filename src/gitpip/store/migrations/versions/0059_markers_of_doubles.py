"""The marker of what was sent twice, which tells whether it was sent again since"""

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("doubles", sa.Column("marker", sa.String(40), nullable=True))
