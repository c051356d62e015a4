"""Whether a person approved a file without what looks like credentials in it."""

import sqlalchemy as sa
from alembic import op

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("masked", sa.Integer, nullable=False, server_default=sa.text("0"))
    op.add_column("publications", column)


def downgrade() -> None:
    op.drop_column("publications", "masked")
