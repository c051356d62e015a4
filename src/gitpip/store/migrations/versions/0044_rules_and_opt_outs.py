"""Rules on what is published, owners who opted out, forks, and the flood of a day"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "publishing_rules",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("conditions", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("created_by", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publishing_rules")),
    )
    op.create_table(
        "opt_outs",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("login", sa.String(100), nullable=False),
        sa.Column("github_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("created_by", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_outs")),
        sa.UniqueConstraint("login", name=op.f("uq_opt_outs_login")),
        sa.UniqueConstraint("github_id", name=op.f("uq_opt_outs_github_id")),
    )
    op.add_column("gists", sa.Column("is_fork", sa.Integer(), nullable=True))
    op.create_index(
        op.f("ix_publications_queued_at"),
        "publications",
        ["queued_at"],
        sqlite_where=sa.text("queued_at IS NOT NULL AND backfill = 0"),
        postgresql_where=sa.text("queued_at IS NOT NULL AND backfill = 0"),
    )
