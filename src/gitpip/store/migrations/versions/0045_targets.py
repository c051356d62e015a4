"""Where the activities of a user are put: a given deal, lead, person or organization"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import AnyTarget, Key, UTCDateTime

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "targets",
        sa.Column("user_key", Key, nullable=False),
        sa.Column("target", AnyTarget(), nullable=False),
        sa.Column("account_key", Key, nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("checked_at", UTCDateTime(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("org_id", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("problem_since", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_key"],
            ["accounts.key"],
            name=op.f("fk_targets_account_key_accounts"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["users.key"],
            name=op.f("fk_targets_user_key_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_key", name=op.f("pk_targets")),
    )
    op.create_index(
        op.f("ix_targets_problem"),
        "targets",
        ["user_key"],
        sqlite_where=sa.text("problem IS NOT NULL"),
        postgresql_where=sa.text("problem IS NOT NULL"),
    )
    op.add_column("publications", sa.Column("sent_to", AnyTarget(), nullable=True))
    op.add_column("kept_publications", sa.Column("sent_to", AnyTarget(), nullable=True))
