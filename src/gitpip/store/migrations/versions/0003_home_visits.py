"""A visit to the home page covers many users; what pages list and sort by is indexed"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "home_visits",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("viewer", sa.String(length=100), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("complete", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_home_visits")),
    )
    op.create_index("ix_home_visits_viewer", "home_visits", ["viewer", "id"])
    op.add_column(
        "visits",
        sa.Column(
            "home_visit_id",
            KEY,
            sa.ForeignKey("home_visits.id", name=op.f("fk_visits_home_visit_id")),
            nullable=True,
        ),
        inline_references=True,
    )
    op.create_index("ix_visits_home_visit_id", "visits", ["home_visit_id"])
    op.create_index("ix_users_found_at", "users", ["found_at", "key"])
    op.create_index("ix_users_checked_at", "users", ["checked_at"])
    op.create_index("ix_gist_files_language", "gist_files", ["language", "key"])
    op.create_index("ix_gist_files_found_at", "gist_files", ["found_at"])
    op.execute(
        "UPDATE users SET found_at = (SELECT max(gist_files.found_at) FROM gist_files "
        "WHERE gist_files.user_key = users.key) WHERE found_at IS NULL"
    )
