"""Activities that hold several files of a gist"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publications", sa.Column("part_of", Key, nullable=True))
    op.create_index(
        op.f("ix_publications_part_of"),
        "publications",
        ["part_of"],
        sqlite_where=sa.text("part_of IS NOT NULL"),
        postgresql_where=sa.text("part_of IS NOT NULL"),
    )
    op.create_table(
        "marker_parts",
        sa.Column("account_key", Key, nullable=False),
        sa.Column("activity_id", sa.BigInteger(), nullable=False),
        sa.Column("marker", sa.String(40), nullable=False),
        sa.Column("deal_id", sa.BigInteger(), nullable=True),
        sa.Column("added_at", UTCDateTime(), nullable=True),
        sa.Column("content", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_key"],
            ["accounts.key"],
            name=op.f("fk_marker_parts_account_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "account_key", "activity_id", "marker", name=op.f("pk_marker_parts")
        ),
    )
    op.create_index(op.f("ix_marker_parts_marker"), "marker_parts", ["account_key", "marker"])
