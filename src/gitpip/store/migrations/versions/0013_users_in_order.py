"""PostgreSQL lists users in each order without sorting them all; SQLite's indexes do already"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    for name, order in {
        "found": "found_at DESC NULLS LAST",
        "checked": "checked_at DESC NULLS LAST",
        "stale": "complete_until NULLS FIRST",
    }.items():
        op.execute(f"CREATE INDEX ix_users_by_{name} ON users ({order}, key)")
