"""Which tokens each process has"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("has_github_token", "has_pipedrive_token"):
        op.add_column("services", sa.Column(column, sa.Integer(), nullable=True))
