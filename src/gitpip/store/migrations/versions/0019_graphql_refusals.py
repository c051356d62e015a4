"""Users that GraphQL refuses are remembered, and what the checks spent and GitHub asked for"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    none = sa.text("0")
    for table, name in (
        ("users", "graphql_refusals"),
        ("checks", "swept"),
        ("checks", "points"),
    ):
        op.add_column(table, sa.Column(name, sa.Integer(), server_default=none, nullable=False))
    op.add_column("users", sa.Column("graphql_refused_until", UTCDateTime()))
    op.create_table(
        "github_limits",
        sa.Column("credential", sa.String(length=12), nullable=False),
        sa.Column("resource", sa.String(length=10), nullable=False),
        sa.Column("until", UTCDateTime()),
        sa.Column("refusals", sa.Integer(), server_default=none, nullable=False),
        sa.Column("reserved", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("credential", "resource", name="pk_github_limits"),
    )
