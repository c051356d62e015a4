"""What became of users' deals in Pipedrive"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deal_drifts",
        sa.Column("user_key", Key, nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=True),
        sa.Column("drift", sa.String(20), nullable=True),
        sa.Column("answer", sa.String(20), nullable=True),
        sa.Column("drifted_at", UTCDateTime(), nullable=True),
        sa.Column("drifted_deal_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["deals.user_key"],
            name=op.f("fk_deal_drifts_user_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_key", name=op.f("pk_deal_drifts")),
    )
