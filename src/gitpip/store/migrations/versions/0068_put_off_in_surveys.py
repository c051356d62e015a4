"""Which users an audit put off, as GitHub asked to wait when it was asked about them."""

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("put_off", sa.Text, nullable=False, server_default="")
    op.add_column("surveys", column)


def downgrade() -> None:
    op.drop_column("surveys", "put_off")
