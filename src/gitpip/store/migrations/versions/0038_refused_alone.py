"""How often a publication or a deal alone met a limit is counted, also over restarts"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("publications", "deals"):
        op.add_column(table, sa.Column("refusals", sa.Integer, nullable=False, server_default="0"))
