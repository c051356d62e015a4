"""The tables of undoing: what is taken back from Pipedrive, by which order, and how far it is."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gitpip.store.column_types import Key, OneOf, UTCDateTime
from gitpip.store.schema import metadata


class UndoneState(StrEnum):
    """How far the undoing of one publication is."""

    WAITING = "waiting"
    """To be looked for, or deleted."""
    DELETED = "deleted"
    """Its activity is deleted in Pipedrive, by gitpip or by a person before it."""
    NOT_SENT = "not-sent"
    """It was not in Pipedrive, and is not sent any more."""
    KEPT = "kept"
    """Its activity stays in Pipedrive; the reason says why."""
    FAILED = "failed"
    """Its activity could not be deleted; the reason says why."""


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
    # Why it goes on only when a person lets it, and since when.
    Column("stopped_because", Text),
    Column("stopped_at", UTCDateTime),
    Column("ended_at", UTCDateTime),
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
