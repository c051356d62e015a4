"""Acts on many publications, done piece by piece"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "repairs",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("act", sa.String(20), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("begun_by", sa.String(120), nullable=False),
        sa.Column("begun_via", sa.String(10), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("moved_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repairs")),
    )
    op.create_table(
        "repair_items",
        sa.Column("repair_id", Key, nullable=False),
        sa.Column("publication_id", Key, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.ForeignKeyConstraint(
            ["repair_id"],
            ["repairs.id"],
            name=op.f("fk_repair_items_repair_id_repairs"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publications.id"],
            name=op.f("fk_repair_items_publication_id_publications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repair_id", "publication_id", name=op.f("pk_repair_items")),
    )
    op.create_index(op.f("ix_repair_items_publication_id"), "repair_items", ["publication_id"])
