"""A second installation and a database that was set back are told; what waits is noted anew"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("noted_until", UTCDateTime(), nullable=True))
    op.add_column("ledger", sa.Column("others_seen_at", UTCDateTime(), nullable=True))
    op.add_column("ledger", sa.Column("set_back_at", UTCDateTime(), nullable=True))
