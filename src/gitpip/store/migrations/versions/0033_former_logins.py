"""Every login that a user had before a rename, not only the last one"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "former_logins",
        sa.Column("user_key", Key, nullable=False),
        sa.Column("login", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["users.key"],
            name=op.f("fk_former_logins_user_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_key", "login", name=op.f("pk_former_logins")),
    )
    op.create_index("ix_former_logins_login", "former_logins", ["login"])
    op.execute(
        "INSERT INTO former_logins (user_key, login) "
        "SELECT key, lower(former_login) FROM users WHERE former_login IS NOT NULL"
    )
    op.drop_index("ix_users_by_former_login", "users")
    op.drop_index("ix_users_removed_former_login", "users")
