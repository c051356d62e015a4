"""The newest publications in a state are listed from an index"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_publications_state", "publications", ["state", "id"])
