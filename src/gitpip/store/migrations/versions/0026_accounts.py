"""Rows belong to the accounts they came from, and are compared with what is in Pipedrive

A database that exists is bound to the first account that is met after this.
"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deals", sa.Column("title", sa.Text(), nullable=True))
    _create_accounts()
    _create_ledger()
    _create_kept()


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("key", Key, autoincrement=True, nullable=False),
        sa.Column("vendor", sa.String(length=20), nullable=False),
        sa.Column("identity", sa.String(length=300), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("domain", sa.String(length=63), nullable=True),
        sa.Column("creators", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("credential", sa.String(length=12), nullable=True),
        sa.Column("bound", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("waits_since", UTCDateTime(), nullable=True),
        sa.Column("met_at", UTCDateTime(), nullable=False),
        sa.Column("deal_field", sa.String(length=64), nullable=True),
        sa.Column("deal_field_due_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_accounts")),
        sa.UniqueConstraint("vendor", "identity", name=op.f("uq_accounts_vendor_identity")),
    )
    bound = sa.text("bound = 1")
    op.create_index(
        "uq_accounts_bound",
        "accounts",
        ["vendor"],
        unique=True,
        sqlite_where=bound,
        postgresql_where=bound,
    )


def _create_ledger() -> None:
    ledger = op.create_table(
        "ledger",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("compared_at", UTCDateTime(), nullable=True),
        sa.Column("adopted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("hold_until", UTCDateTime(), nullable=True),
        sa.Column("requested_at", UTCDateTime(), nullable=True),
        sa.Column("read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("missing", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("missing_since", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
    )
    op.bulk_insert(ledger, [{"id": 1}])
    op.create_table(
        "markers",
        _of_account("markers"),
        sa.Column("activity_id", sa.BigInteger(), nullable=False),
        sa.Column("marker", sa.String(length=40), nullable=False),
        sa.Column("deal_id", sa.BigInteger(), nullable=True),
        sa.Column("added_at", UTCDateTime(), nullable=True),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        sa.Column("duplicate", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("account_key", "activity_id", name=op.f("pk_markers")),
    )
    op.create_index("ix_markers_marker", "markers", ["account_key", "marker"])


def _create_kept() -> None:
    op.create_table(
        "kept_publications",
        _of_account("kept_publications"),
        _of("kept_publications", "publication_id", "publications.id"),
        *_delivery(),
        sa.Column("activity_id", sa.BigInteger(), nullable=True),
        sa.Column("published_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("account_key", "publication_id", name=op.f("pk_kept_publications")),
    )
    op.create_index(
        op.f("ix_kept_publications_publication_id"), "kept_publications", ["publication_id"]
    )
    op.create_table(
        "kept_deals",
        _of_account("kept_deals"),
        _of("kept_deals", "user_key", "users.key"),
        *_delivery(),
        sa.Column("title", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("account_key", "user_key", name=op.f("pk_kept_deals")),
    )
    op.create_index(op.f("ix_kept_deals_user_key"), "kept_deals", ["user_key"])
    op.create_table(
        "kept_users",
        _of_account("kept_users"),
        _of("kept_users", "user_key", "users.key"),
        sa.Column("github_id", sa.BigInteger(), nullable=True),
        sa.Column("node_id", sa.String(length=100), nullable=True),
        sa.Column("removed_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("account_key", "user_key", name=op.f("pk_kept_users")),
    )
    op.create_index(op.f("ix_kept_users_user_key"), "kept_users", ["user_key"])


def _of_account(table: str) -> sa.Column[int]:
    return _of(table, "account_key", "accounts.key")


def _of(table: str, column: str, target: str) -> sa.Column[int]:
    name = op.f(f"fk_{table}_{column}")
    reference = sa.ForeignKey(target, name=name, ondelete="CASCADE")
    return sa.Column(column, Key, reference, nullable=False)


def _delivery() -> list[sa.Column[object]]:
    return [
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("in_flight_until", UTCDateTime(), nullable=True),
        sa.Column("deal_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
    ]
