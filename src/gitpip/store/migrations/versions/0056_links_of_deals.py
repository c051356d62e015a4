"""The person and the organization of a user's deal"""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("deals", "kept_deals"):
        op.add_column(table, sa.Column("person_id", sa.BigInteger(), nullable=True))
        op.add_column(table, sa.Column("org_id", sa.BigInteger(), nullable=True))
