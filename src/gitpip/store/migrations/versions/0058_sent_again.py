"""Publications that a person has had sent again: their earlier activities, and undoing them"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import AnyTarget, Key, UTCDateTime

revision = "0058"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "earlier_activities",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("publication_id", Key, nullable=False),
        sa.Column("account_key", Key, nullable=False),
        sa.Column("marker", sa.String(40), nullable=False),
        sa.Column("activity_id", sa.BigInteger(), nullable=True),
        sa.Column("deal_id", sa.BigInteger(), nullable=True),
        sa.Column("sent_to", AnyTarget(), nullable=True),
        sa.Column("published_at", UTCDateTime(), nullable=True),
        sa.Column("note_written_at", UTCDateTime(), nullable=True),
        sa.Column("replaced_at", UTCDateTime(), nullable=False),
        sa.Column("replaced_by", sa.String(120), nullable=True),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.Column("kept_because", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publications.id"],
            name=op.f("fk_earlier_activities_publication_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earlier_activities")),
    )
    op.create_index(
        "ix_earlier_activities_publication_id", "earlier_activities", ["publication_id", "id"]
    )
    op.create_index("ix_earlier_activities_activity_id", "earlier_activities", ["activity_id"])
    op.create_index("ix_earlier_activities_marker", "earlier_activities", ["marker"])
    op.add_column("publications", sa.Column("first_marker", sa.String(40), nullable=True))
    op.add_column(
        "publications",
        sa.Column("is_new_round", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    sent_again = sa.text("first_marker IS NOT NULL")
    op.create_index(
        "ix_publications_first_marker",
        "publications",
        ["first_marker"],
        sqlite_where=sent_again,
        postgresql_where=sent_again,
    )
    op.add_column("markers", sa.Column("first_marker", sa.String(40), nullable=True))
    op.create_index("ix_markers_first_marker", "markers", ["account_key", "first_marker"])
    op.add_column(
        "undos",
        sa.Column("which", sa.String(20), server_default=sa.text("'all'"), nullable=False),
    )
