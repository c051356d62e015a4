"""Undoing: what is taken back from Pipedrive, and what a check or an import has caused"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

# What an older gitpip has stored: each file came with the check that found its gist, unless it
# came later. Edits were noted with no check.
OF_CHECKS = """
    UPDATE publications SET check_id = (
        SELECT gists.check_id FROM gist_files JOIN gists ON gists.id = gist_files.gist_id
        WHERE gist_files.key = publications.file_key AND gist_files.found_at = gists.found_at
    ) WHERE revision = 1
"""


def upgrade() -> None:
    op.create_table(
        "undos",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("account_key", Key, nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("asked_by", sa.String(120), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("stopped_because", sa.Text(), nullable=True),
        sa.Column("stopped_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_undos")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "undone",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("undo_id", Key, nullable=False),
        sa.Column("publication_id", Key, nullable=False),
        sa.Column("account_key", Key, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("activity_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("token", sa.String(40), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["undo_id"], ["undos.id"], name=op.f("fk_undone_undo_id_undos"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publications.id"],
            name=op.f("fk_undone_publication_id_publications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_undone")),
        sa.UniqueConstraint(
            "undo_id", "publication_id", name=op.f("uq_undone_undo_id_publication_id")
        ),
    )
    op.create_index(op.f("ix_undone_publication_id"), "undone", ["publication_id"])
    op.create_index(
        op.f("uq_undone_open"),
        "undone",
        ["publication_id", "account_key"],
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.add_column("publications", sa.Column("check_id", Key, nullable=True))
    op.add_column("publications", sa.Column("deleted_activity_id", sa.BigInteger(), nullable=True))
    op.add_column("publications", sa.Column("note_written_at", UTCDateTime(), nullable=True))
    op.add_column("users", sa.Column("import_id", Key, nullable=True))
    op.create_index(op.f("ix_publications_check_id"), "publications", ["check_id"])
    op.create_index(op.f("ix_users_import_id"), "users", ["import_id"])
    op.execute(OF_CHECKS)
