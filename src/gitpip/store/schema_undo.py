"""The tables of undos: their publications and deals, with the state of each.

With them are the deals that gitpip made: an undo can delete those of them that are empty.
"""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gitpip.store.column_types import Flag, Key, OneOf, UTCDateTime
from gitpip.store.schema import metadata


class UndoneState(StrEnum):
    """The state of undoing one publication, or one deal."""

    WAITING = "waiting"
    """It must be searched for, or deleted."""
    DELETED = "deleted"
    """It is deleted in Pipedrive, by gitpip or by a person before it."""
    NOT_SENT = "not-sent"
    """It was not in Pipedrive, and will not be sent."""
    KEPT = "kept"
    """It stays in Pipedrive; the reason says why."""
    FAILED = "failed"
    """It could not be deleted; the reason says why."""


class UndoScope(StrEnum):
    """The activities of a publication that are undone, if a person has had it sent again."""

    ALL = "all"
    NEWEST = "newest"
    """The one that was sent last; then the publication is as it was before."""
    EARLIER = "earlier"
    """Those before the newest one."""


undos = Table(
    "undos",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    # The Pipedrive account that the rows belonged to; 0 if none was known.
    Column("account_key", Key, nullable=False),
    # The choice in words, as `check 12` or `user ada`.
    Column("subject", String(200), nullable=False),
    Column("asked_at", UTCDateTime, nullable=False),
    Column("asked_by", String(120), nullable=False),
    Column("total", Integer, nullable=False),
    Column("which", OneOf(UndoScope, 20), nullable=False, server_default=text("'all'")),
    # Whether deals that gitpip made and that are empty after it are deleted, too.
    Column("with_deals", Flag, nullable=False, server_default=text("0")),
    # The reason why it waits for a person to resume it, and since when.
    Column("stopped_because", Text),
    Column("stopped_at", UTCDateTime),
    Column("ended_at", UTCDateTime),
    # The time since when it has failures that no person has tried again or acknowledged.
    Column("failed_at", UTCDateTime),
    # An id is never used again.
    sqlite_autoincrement=True,
)

undone = Table(
    "undone",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("undo_id", Key, ForeignKey("undos.id", ondelete="CASCADE"), nullable=False),
    Column(
        "publication_id", Key, ForeignKey("publications.id", ondelete="CASCADE"), nullable=False
    ),
    Column("account_key", Key, nullable=False),
    Column("state", OneOf(UndoneState, 20), nullable=False),
    # The activity that was deleted, or is kept.
    Column("activity_id", BigInteger),
    Column("reason", Text),
    Column("due_at", UTCDateTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("token", String(40)),
    Column("lease_until", UTCDateTime),
    Column("ended_at", UTCDateTime),
    UniqueConstraint("undo_id", "publication_id"),
    Index("ix_undone_publication_id", "publication_id"),
)
is_open = undone.c.state == UndoneState.WAITING
Index(
    "uq_undone_open",
    undone.c.publication_id,
    undone.c.account_key,
    unique=True,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)

# The deals that gitpip has made, also former ones of their users. Those that a gitpip of before
# 0064 made are not among them.
made_deals = Table(
    "made_deals",
    metadata,
    # The Pipedrive account that it is in; 0 if none was known.
    Column("account_key", Key, primary_key=True, autoincrement=False),
    Column("deal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), nullable=False),
    # The values that it was made with; the value is NULL if the answer was lost, or none was sent.
    Column("title", Text, nullable=False),
    Column("value", Float),
    Index("ix_made_deals_user_key", "user_key"),
)

# The deals of an undo, which are handled once nothing of their user waits to be undone.
undone_deals = Table(
    "undone_deals",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("undo_id", Key, ForeignKey("undos.id", ondelete="CASCADE"), nullable=False),
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), nullable=False),
    Column("account_key", Key, nullable=False),
    Column("deal_id", BigInteger, nullable=False),
    Column("state", OneOf(UndoneState, 20), nullable=False),
    Column("reason", Text),
    Column("due_at", UTCDateTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("token", String(40)),
    Column("lease_until", UTCDateTime),
    # The time since when a request to delete it may be under way: from then on nothing is put
    # there.
    Column("begun_at", UTCDateTime),
    Column("ended_at", UTCDateTime),
    UniqueConstraint("undo_id", "deal_id"),
)
deal_is_open = undone_deals.c.state == UndoneState.WAITING
Index(
    "uq_undone_deals_open",
    undone_deals.c.deal_id,
    undone_deals.c.account_key,
    unique=True,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)
Index(
    "ix_undone_deals_open_user",
    undone_deals.c.user_key,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)
