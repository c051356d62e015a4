"""Which users an audit put off, and when a person acknowledged that an import was interrupted."""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("put_off", sa.Text, nullable=False, server_default="")
    op.add_column("surveys", column)
    op.add_column("imports", sa.Column("acknowledged_at", UTCDateTime))


def downgrade() -> None:
    op.drop_column("imports", "acknowledged_at")
    op.drop_column("surveys", "put_off")
