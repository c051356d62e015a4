"""The tables of the inbox: the order in which gists arrived, and what each reader has read."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from gitpip.store.column_types import Key, UTCDateTime
from gitpip.store.schema import metadata

# One row for each gist with a file. Triggers on gist_files give it a new key whenever the gist gets
# a new file or another content; so one that was read becomes unread again.
inbox = Table(
    "inbox",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("gist_id", String(64), ForeignKey("gists.id", ondelete="CASCADE"), nullable=False),
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), nullable=False),
    # The time when the newest file or content was found.
    Column("at", UTCDateTime, nullable=False),
    # The time when the gist was created, by GitHub's clock.
    Column("created_at", UTCDateTime, nullable=False),
    UniqueConstraint("gist_id"),
    Index("ix_inbox_user_key", "user_key", "key"),
    Index("ix_inbox_created_at", "created_at", "key"),
    # A key is never used again: the newest gist can be edited.
    sqlite_autoincrement=True,
)

# The key of the inbox up to which a reader has read everything.
inbox_lines = Table(
    "inbox_lines",
    metadata,
    Column("viewer", String(100), primary_key=True),
    Column("up_to", BigInteger, nullable=False),
    # The value before this visit, which can be undone.
    Column("formerly", BigInteger),
    Column("visit_id", Key, nullable=False),
)

# Gists that a reader has marked one by one.
inbox_marks = Table(
    "inbox_marks",
    metadata,
    Column("viewer", String(100), primary_key=True),
    Column("gist_id", String(64), ForeignKey("gists.id", ondelete="CASCADE"), primary_key=True),
    # The gist's key in the inbox when it was read; 0 for a gist that was marked as unread.
    Column("up_to", BigInteger, nullable=False),
    # The value before this visit, which can be undone; NULL for a gist that had no mark.
    Column("formerly", BigInteger),
    Column("visit_id", Key, nullable=False),
    Index("ix_inbox_marks_gist_id", "gist_id"),
    Index("ix_inbox_marks_order", "viewer", "up_to"),
)

inbox_filters = Table(
    "inbox_filters",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("viewer", String(100), nullable=False),
    Column("name", String(60), nullable=False),
    # As `InboxFilter.query` spells it.
    Column("query", Text, nullable=False),
    Column("saved_at", UTCDateTime, nullable=False),
    UniqueConstraint("viewer", "name"),
)
