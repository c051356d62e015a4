"""Revisions, deletions and amendments; the sweep's marks and the public feed"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import UTCDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NEW_HERE = sa.text("removed_at IS NULL AND state <> 'paused' AND checked_at IS NULL")


def upgrade() -> None:
    op.add_column("users", sa.Column("sweep_mark", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_users_new",
        "users",
        ["next_check_at", "key"],
        sqlite_where=NEW_HERE,
        postgresql_where=NEW_HERE,
    )
    op.add_column("gists", sa.Column("deleted_at", UTCDateTime(), nullable=True))
    for column in (
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("revised_at", UTCDateTime(), nullable=True),
        sa.Column("removed_at", UTCDateTime(), nullable=True),
    ):
        op.add_column("gist_files", column)
    op.add_column("pauses", sa.Column("credential", sa.String(length=12), nullable=True))
    _revisions()
    with op.batch_alter_table("publications", reflect_kwargs={"resolve_fks": False}) as table:
        table.add_column(
            sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False)
        )
        table.add_column(
            sa.Column("backfill", sa.Integer(), server_default=sa.text("0"), nullable=False)
        )
        table.drop_constraint(op.f("uq_publications_file_key"), type_="unique")
        table.create_unique_constraint(
            op.f("uq_publications_file_key_revision"), ["file_key", "revision"]
        )
        table.drop_index("ix_publications_state_due")
        table.create_index("ix_publications_queue", ["state", "backfill", "due_at"])
    op.create_table(
        "amendments",
        sa.Column("publication_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publications.id"],
            name=op.f("fk_amendments_publication_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("publication_id", name=op.f("pk_amendments")),
    )
    op.create_index(op.f("ix_amendments_due_at"), "amendments", ["due_at"])
    op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("etag", sa.String(length=300), nullable=True),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("read_at", UTCDateTime(), nullable=False),
        sa.Column("gaps", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("gap_at", UTCDateTime(), nullable=True),
        sa.Column("hints", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
    )


def _revisions() -> None:
    op.create_table(
        "revisions",
        sa.Column("file_key", KEY, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("blob_hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.String(length=200), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("truncated", sa.Integer(), nullable=False),
        sa.Column("raw_url", sa.Text(), nullable=False),
        sa.Column("found_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_key"],
            ["gist_files.key"],
            name=op.f("fk_revisions_file_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("file_key", "revision", name=op.f("pk_revisions")),
    )
