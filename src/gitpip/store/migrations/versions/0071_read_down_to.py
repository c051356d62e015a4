"""Where a comparison with Pipedrive ends that is under way, so that the next process ends there."""

import sqlalchemy as sa
from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ledger", sa.Column("read_down_to", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("ledger", "read_down_to")
