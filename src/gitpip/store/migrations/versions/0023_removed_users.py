"""Removed users are found by their logins, and users with a failure without reading all others"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    removed = sa.text("removed_at IS NOT NULL")
    for name in ("login", "former_login"):
        op.create_index(
            f"ix_users_removed_{name}",
            "users",
            [sa.text(f"lower({name})")],
            sqlite_where=removed,
            postgresql_where=removed,
        )
    failing = sa.text("failure IS NOT NULL")
    op.create_index(
        "ix_users_failing", "users", ["key"], sqlite_where=failing, postgresql_where=failing
    )
