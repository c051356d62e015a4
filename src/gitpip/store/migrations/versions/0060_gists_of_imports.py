"""How many public gists the people of an uploaded list have on GitHub"""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("imports", sa.Column("gists_on_github", sa.Text(), nullable=True))
