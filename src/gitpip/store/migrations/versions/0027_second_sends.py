"""Absence is judged by Pipedrive's time, and what was sent twice is looked at again

What is uncertain is looked for anew: `in_flight_until` held a time by our own clock.
"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("publications", "deals"):
        op.add_column(table, sa.Column("sent_after", UTCDateTime(), nullable=True))
        op.add_column(table, sa.Column("looked_at", UTCDateTime(), nullable=True))
        op.execute(
            f"UPDATE {table} SET in_flight_until = NULL, looks = 0 "  # noqa: S608 - our own names
            "WHERE in_flight_until IS NOT NULL"
        )
    op.create_table(
        "second_sends",
        sa.Column("publication_id", Key, nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("looks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publications.id"],
            name=op.f("fk_second_sends_publication_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("publication_id", name=op.f("pk_second_sends")),
    )
    op.create_index(op.f("ix_second_sends_due_at"), "second_sends", ["due_at"])
    op.create_table(
        "doubles",
        sa.Column("publication_id", Key, nullable=False),
        sa.Column("activity_id", sa.BigInteger(), nullable=False),
        sa.Column("found_at", UTCDateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publications.id"],
            name=op.f("fk_doubles_publication_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("publication_id", name=op.f("pk_doubles")),
    )
