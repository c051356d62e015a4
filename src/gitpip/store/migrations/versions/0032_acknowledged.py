"""What is missing from Pipedrive, and what is there twice, can be acknowledged"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ledger", sa.Column("acknowledged_at", UTCDateTime(), nullable=True))
    op.add_column("markers", sa.Column("acknowledged_at", UTCDateTime(), nullable=True))
