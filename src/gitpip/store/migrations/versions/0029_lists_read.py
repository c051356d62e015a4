"""How many lists are read besides those of users that are due, and whose were never compared

Up to when a user was known was told by our own clock before 0025, which may have been wrong, and
without regard to what GitHub's lists can be behind: a margin makes up for both until the next look.
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

NOT_COMPARED = sa.text(
    "removed_at IS NULL AND state <> 'paused' AND state = 'active' AND listed_at IS NULL"
    " AND sweep_mark IS NOT NULL AND gist_count > 0"
)


def upgrade() -> None:
    op.add_column(
        "checks", sa.Column("listed", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.create_index(
        "ix_users_not_compared",
        "users",
        ["created_at"],
        sqlite_where=NOT_COMPARED,
        postgresql_where=NOT_COMPARED,
    )
    earlier = (
        "strftime('%Y-%m-%d %H:%M:%f000', complete_until, '-2 days')"
        if op.get_bind().dialect.name == "sqlite"
        else "complete_until - interval '2 days'"
    )
    op.execute(
        f"UPDATE users SET complete_until = {earlier} "  # noqa: S608 - our own words
        "WHERE listed_at IS NULL AND complete_until IS NOT NULL"
    )
