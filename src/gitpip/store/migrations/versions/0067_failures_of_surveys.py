"""How often an audit or a search failed in a row, and had to read a list anew."""

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("failures", "restarts"):
        column = sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"))
        op.add_column("surveys", column)


def downgrade() -> None:
    op.drop_column("surveys", "restarts")
    op.drop_column("surveys", "failures")
