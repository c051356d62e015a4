"""The table of what happened, for people and programs that follow it."""

from sqlalchemy import Column, Index, String, Table, Text

from gitpip.store.column_types import Key, UTCDateTime
from gitpip.store.schema import metadata

# Written in the transaction in which it happens. Only their user's key changes, where another row
# takes the place of the user's. There are no foreign keys: checking them would lock the row of the
# user in an order that no other transaction keeps.
events = Table(
    "events",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("happened_at", UTCDateTime, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("user_key", Key),
    Column("gist_id", String(64)),
    Column("publication_id", Key),
    Column("detail", Text),
    Index("ix_events_happened_at", "happened_at"),
    Index("ix_events_user_key", "user_key", "id"),
    Index("ix_events_kind", "kind", "id"),
    # An id is never used again, also after all events were pruned.
    sqlite_autoincrement=True,
)
