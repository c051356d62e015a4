"""The company that Pipedrive's token belongs to, for links to its pages"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pipedrive_company",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("domain", sa.String(length=63), nullable=True),
        sa.Column("credential", sa.String(length=12), nullable=False),
        sa.Column("learned_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pipedrive_company")),
    )
