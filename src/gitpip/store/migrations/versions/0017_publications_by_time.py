"""How fast publishing went recently is found without reading all publications"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_publications_published_at", "publications", ["published_at"])
