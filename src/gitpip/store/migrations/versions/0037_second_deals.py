"""A deal that was sent twice is looked at again, as a file is"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "second_deals",
        sa.Column("user_key", Key, nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("looks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["deals.user_key"],
            name=op.f("fk_second_deals_user_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_key", name=op.f("pk_second_deals")),
    )
    op.create_index(op.f("ix_second_deals_due_at"), "second_deals", ["due_at"])
    op.create_table(
        "deal_doubles",
        sa.Column("user_key", Key, nullable=False),
        sa.Column("deal_id", sa.BigInteger(), nullable=False),
        sa.Column("found_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["deals.user_key"],
            name=op.f("fk_deal_doubles_user_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_key", name=op.f("pk_deal_doubles")),
    )
