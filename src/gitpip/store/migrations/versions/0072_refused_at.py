"""When a publication was refused that never arrived, so that modes and rules still apply to it."""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publications", sa.Column("refused_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("publications", "refused_at")
