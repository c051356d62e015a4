"""Who is just added comes first as somebody hinted at, not by an index of their own"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_users_new", "users")
