"""The deals that gitpip makes, and those that an undo deletes"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0064"
down_revision = "0062"
branch_labels = None
depends_on = None

OPEN = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.add_column(
        "undos",
        sa.Column("with_deals", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.create_table(
        "made_deals",
        sa.Column("account_key", Key, autoincrement=False, nullable=False),
        sa.Column("deal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_key", Key, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_key"], ["users.key"], name=op.f("fk_made_deals_user_key"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_key", "deal_id", name=op.f("pk_made_deals")),
    )
    op.create_index(op.f("ix_made_deals_user_key"), "made_deals", ["user_key"])
    op.create_table(
        "undone_deals",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("undo_id", Key, nullable=False),
        sa.Column("user_key", Key, nullable=False),
        sa.Column("account_key", Key, nullable=False),
        sa.Column("deal_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("token", sa.String(40), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("begun_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["undo_id"], ["undos.id"], name=op.f("fk_undone_deals_undo_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_key"], ["users.key"], name=op.f("fk_undone_deals_user_key"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_undone_deals")),
        sa.UniqueConstraint("undo_id", "deal_id", name=op.f("uq_undone_deals_undo_id_deal_id")),
    )
    op.create_index(
        op.f("uq_undone_deals_open"),
        "undone_deals",
        ["deal_id", "account_key"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index(
        op.f("ix_undone_deals_open_user"),
        "undone_deals",
        ["user_key"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
