"""What is new is told by the order in which files came to be, not by clocks"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("users", sa.Column("found_key", KEY, nullable=True))
    op.execute(
        "UPDATE users SET found_key = (SELECT max(gist_files.key) FROM gist_files "
        "WHERE gist_files.user_key = users.key)"
    )
    op.create_index("ix_users_found_key", "users", ["found_key"])
    # The visits so far were told by clocks: the next one of each viewer sets the line.
    op.drop_column("home_visits", "complete")
    op.add_column("home_visits", sa.Column("complete_up_to", KEY, nullable=True))
