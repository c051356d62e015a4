"""Indexes with which lists and counts read few rows, however many publications and gists there are.

With `part_of` in the index of states, publications that are in the activity of another one are left
out without reading their rows. The index of what has a reason also finds the notes that failed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

EXPLAINED = sa.text("reason IS NOT NULL")
NOTE_FAILED = sa.text("state = 'published' AND reason IS NOT NULL")


def upgrade() -> None:
    op.create_index("ix_publications_state_id_part_of", "publications", ["state", "id", "part_of"])
    op.drop_index("ix_publications_state", "publications")
    op.create_index(
        "ix_publications_explained",
        "publications",
        ["state", "id"],
        sqlite_where=EXPLAINED,
        postgresql_where=EXPLAINED,
    )
    op.drop_index("ix_publications_notes_failed", "publications")
    op.create_index("ix_gists_found_at", "gists", ["found_at"])


def downgrade() -> None:
    op.drop_index("ix_gists_found_at", "gists")
    op.create_index(
        "ix_publications_notes_failed",
        "publications",
        ["state"],
        sqlite_where=NOTE_FAILED,
        postgresql_where=NOTE_FAILED,
    )
    op.drop_index("ix_publications_explained", "publications")
    op.create_index("ix_publications_state", "publications", ["state", "id"])
    op.drop_index("ix_publications_state_id_part_of", "publications")
