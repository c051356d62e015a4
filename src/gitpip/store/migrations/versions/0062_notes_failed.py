"""SQLite finds the notes that could not be written without reading all publications."""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

FAILED = sa.text("state = 'published' AND reason IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_publications_notes_failed",
        "publications",
        ["state"],
        sqlite_where=FAILED,
        postgresql_where=FAILED,
    )
    op.drop_index("ix_publications_note_failed", "publications")


def downgrade() -> None:
    op.create_index(
        "ix_publications_note_failed",
        "publications",
        ["id"],
        sqlite_where=FAILED,
        postgresql_where=FAILED,
    )
    op.drop_index("ix_publications_notes_failed", "publications")
