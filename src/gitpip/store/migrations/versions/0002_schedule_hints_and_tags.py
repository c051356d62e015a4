"""Users have an interval, hints, tags, and a time up to which they are known completely"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LOOKED_AT = sa.text("removed_at IS NULL AND state <> 'paused'")
HINTED = sa.text("hinted_at IS NOT NULL")


def upgrade() -> None:
    for column in (
        sa.Column("node_id", sa.String(length=100), nullable=True),
        sa.Column("former_login", sa.String(length=100), nullable=True),
        sa.Column("check_interval", sa.Integer(), nullable=True),
        sa.Column("hinted_at", UTCDateTime(), nullable=True),
        sa.Column("complete_until", UTCDateTime(), nullable=True),
        sa.Column("gist_count", sa.Integer(), nullable=True),
        sa.Column("found_at", UTCDateTime(), nullable=True),
    ):
        op.add_column("users", column)
    op.drop_index("ix_users_due", "users")
    op.create_index(
        "ix_users_due",
        "users",
        ["next_check_at", "key"],
        sqlite_where=LOOKED_AT,
        postgresql_where=LOOKED_AT,
    )
    op.create_index(
        "ix_users_hinted",
        "users",
        ["hinted_at"],
        sqlite_where=HINTED,
        postgresql_where=HINTED,
    )
    op.create_index("ix_users_complete_until", "users", ["complete_until"])
    op.create_table(
        "user_tags",
        sa.Column("user_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tag", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["users.key"],
            name=op.f("fk_user_tags_user_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_key", "tag", name=op.f("pk_user_tags")),
    )
    op.create_index("ix_user_tags_tag", "user_tags", ["tag"])
