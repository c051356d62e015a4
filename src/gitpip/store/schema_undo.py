"""The tables of undoing: what is taken back from Pipedrive, by which order, and how far it is.

With them come the deals that gitpip made: an undo can delete those of them that are empty.
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
    """How far the undoing of one publication, or of one deal, is."""

    WAITING = "waiting"
    """To be looked for, or deleted."""
    DELETED = "deleted"
    """It is deleted in Pipedrive, by gitpip or by a person before it."""
    NOT_SENT = "not-sent"
    """It was not in Pipedrive, and is not sent any more."""
    KEPT = "kept"
    """It stays in Pipedrive; the reason says why."""
    FAILED = "failed"
    """It could not be deleted; the reason says why."""


class Which(StrEnum):
    """Which activities of a publication are undone, where a person has had it sent again."""

    ALL = "all"
    NEWEST = "newest"
    """The one that was sent last; then the publication is as it was before."""
    EARLIER = "earlier"
    """Those before the newest one."""


undos = Table(
    "undos",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    # Of the Pipedrive account that the rows belonged to; 0 where none was known.
    Column("account_key", Key, nullable=False),
    # What was chosen, as `check 12` or `user ada`.
    Column("subject", String(200), nullable=False),
    Column("asked_at", UTCDateTime, nullable=False),
    Column("asked_by", String(120), nullable=False),
    Column("total", Integer, nullable=False),
    Column("which", OneOf(Which, 20), nullable=False, server_default=text("'all'")),
    # Whether deals that gitpip made and that are empty after it are deleted, too.
    Column("with_deals", Flag, nullable=False, server_default=text("0")),
    # Why it goes on only when a person lets it, and since when.
    Column("stopped_because", Text),
    Column("stopped_at", UTCDateTime),
    Column("ended_at", UTCDateTime),
    # Since when something of it has failed that nobody has tried again or acknowledged.
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
    # Of the Pipedrive account that it is in; 0 where none was known.
    Column("account_key", Key, primary_key=True, autoincrement=False),
    Column("deal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), nullable=False),
    # What it was made with; the value is NULL where the answer was lost, or none was sent.
    Column("title", Text, nullable=False),
    Column("value", Float),
    Index("ix_made_deals_user_key", "user_key"),
)

# What becomes of the deals of an undo, once nothing of their user waits to be undone.
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
    # Since when a request to delete it may be under way: from then on nothing is put under it.
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
