"""What could not be read of a user, and the search for a user by the former login"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "unreadable",
        sa.Column("user_key", KEY, nullable=False),
        sa.Column("gist_id", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("first_failed_at", UTCDateTime(), nullable=False),
        sa.Column("next_try_at", UTCDateTime(), nullable=False),
        sa.Column("first_look", sa.Integer(), nullable=False),
        sa.Column("skipped_because", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["users.key"],
            name=op.f("fk_unreadable_user_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_key", "gist_id", "filename", name=op.f("pk_unreadable")),
    )
    op.create_index("ix_unreadable_gist_id", "unreadable", ["gist_id"])
    op.create_index(
        "ix_users_by_former_login",
        "users",
        [sa.text("lower(former_login)")],
        sqlite_where=sa.text("former_login IS NOT NULL"),
        postgresql_where=sa.text("former_login IS NOT NULL"),
    )
