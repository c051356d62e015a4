"""The tables of the publishing settings, of acts on many publications, and of what follows."""

from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    func,
    text,
)

from gitpip.model import PublicationState
from gitpip.modes import ActivityLeftBecause
from gitpip.store.column_types import AnyTarget, Key, OneOf, OneOfOr, UTCDateTime
from gitpip.store.schema import metadata, publications
from gitpip.store.schema_access import Via


class RepairAct(StrEnum):
    """The act of a repair on each of its publications."""

    RETRY = "retry"
    SKIP = "skip"
    APPROVE = "approve"
    HOLD = "hold"
    SEND_AGAIN = "send-again"


is_part = publications.c.part_of.is_not(None)
"""The condition that the file of a publication is in the activity of another one."""
Index(
    "ix_publications_part_of",
    publications.c.part_of,
    sqlite_where=is_part,
    postgresql_where=is_part,
)
# Groups publications by their reasons without reading those without a reason.
is_explained = publications.c.reason.is_not(None)
Index(
    "ix_publications_explained",
    publications.c.state,
    publications.c.id,
    sqlite_where=is_explained,
    postgresql_where=is_explained,
)

publishing_settings = Table(
    "publishing_settings",
    metadata,
    Column("name", String(60), primary_key=True),
    # As `Declaration.canonical` spells it.
    Column("value", Text, nullable=False),
    Column("set_at", UTCDateTime, nullable=False),
    Column("set_by", String(120), nullable=False),
)

# The values that settings name and the account lacks, as the publisher found.
publishing_faults = Table(
    "publishing_faults",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("sentence", Text, nullable=False),
    Column("since", UTCDateTime, nullable=False),
)

# One act on many publications, done piece by piece.
repairs = Table(
    "repairs",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("act", OneOf(RepairAct, 20), nullable=False),
    # The chosen publications in words, for people.
    Column("wanted", Text, nullable=False),
    Column("begun_by", String(120), nullable=False),
    Column("begun_via", OneOf(Via, 10), nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False, server_default=text("0")),
    # The number of publications that had changed before their turn.
    Column("changed", Integer, nullable=False, server_default=text("0")),
    Column("started_at", UTCDateTime, nullable=False),
    Column("moved_at", UTCDateTime, nullable=False),
    Column("ended_at", UTCDateTime),
)

# The rest of a repair's work, as it was chosen when the repair began.
repair_items = Table(
    "repair_items",
    metadata,
    Column("repair_id", Key, ForeignKey("repairs.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "publication_id",
        Key,
        ForeignKey("publications.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    Column("state", OneOf(PublicationState, 20), nullable=False),
)
# Activities of publications that a person has had sent again since. `first_marker` of the
# publication, and its marker, are about the newest one.
earlier_activities = Table(
    "earlier_activities",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column(
        "publication_id", Key, ForeignKey("publications.id", ondelete="CASCADE"), nullable=False
    ),
    # The Pipedrive account that it is in; 0 if none was known.
    Column("account_key", Key, nullable=False),
    Column("marker", String(40), nullable=False),
    # NULL for one that was never made, as its sending was taken back before.
    Column("activity_id", BigInteger),
    Column("deal_id", BigInteger),
    Column("sent_to", AnyTarget),
    Column("published_at", UTCDateTime),
    Column("note_written_at", UTCDateTime),
    # The time when another one followed it, and the person who had that sent.
    Column("replaced_at", UTCDateTime, nullable=False),
    Column("replaced_by", String(120)),
    # The time when an undo deleted it: a lagging list may still show it.
    Column("deleted_at", UTCDateTime),
    # The reason why an undo left it in Pipedrive.
    Column("kept_because", Text),
    Index("ix_earlier_activities_publication_id", "publication_id", "id"),
    Index("ix_earlier_activities_activity_id", "activity_id"),
    Index("ix_earlier_activities_marker", "marker"),
)
holder = publications.alias("holder")
"""The publication whose activity holds the file of another one: see `publications/parts.py`."""
OF_HOLDER = (
    "state",
    "due_at",
    "attempts",
    "looks",
    "sent_at",
    "refused_at",
    "deal_id",
    "activity_id",
    "reason",
    "published_at",
)
"""The columns that are read from the holder if there is one."""


@cache
def shown(name: str) -> ColumnElement[Any]:
    """Return a column of a publication, or of its holder; for a query that joins `holder`."""
    return func.coalesce(holder.c[name], publications.c[name]).label(name)


# Notes that must be rewritten, since their file was edited or removed after its publication.
amendments = Table(
    "amendments",
    metadata,
    Column(
        "publication_id", Key, ForeignKey("publications.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("version", Integer, nullable=False),
    Column("due_at", UTCDateTime, nullable=False, index=True),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # The time since when the note differs from its file, and why the last attempt failed.
    Column("asked_at", UTCDateTime),
    Column("reason", Text),
)

# Publications and deals that were sent twice: they are searched for, as the first may still arrive.
second_sends = Table(
    "second_sends",
    metadata,
    Column(
        "publication_id", Key, ForeignKey("publications.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("due_at", UTCDateTime, nullable=False, index=True),
    Column("looks", Integer, nullable=False, server_default=text("0")),
)

second_deals = Table(
    "second_deals",
    metadata,
    Column("user_key", Key, ForeignKey("deals.user_key", ondelete="CASCADE"), primary_key=True),
    Column("due_at", UTCDateTime, nullable=False, index=True),
    Column("looks", Integer, nullable=False, server_default=text("0")),
    # The title of the first request, if there was one: the user may have been renamed since.
    Column("title", Text),
)

# Users with a second deal in Pipedrive, which gitpip leaves there.
deal_doubles = Table(
    "deal_doubles",
    metadata,
    Column("user_key", Key, ForeignKey("deals.user_key", ondelete="CASCADE"), primary_key=True),
    Column("deal_id", BigInteger, nullable=False),
    Column("found_at", UTCDateTime, nullable=False),
)

# Files that are or were in Pipedrive twice. `reason`: why both stay; NULL: one was deleted.
doubles = Table(
    "doubles",
    metadata,
    Column(
        "publication_id", Key, ForeignKey("publications.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("activity_id", BigInteger, nullable=False),
    Column("found_at", UTCDateTime, nullable=False),
    Column("reason", Text),
    # What `reason` says; NULL with a reason that a gitpip of before 0051 wrote.
    Column("left_because", OneOfOr(ActivityLeftBecause, 20, other=None)),
    Column("marker", String(40)),  # of both; NULL where a gitpip of before 0059 wrote it
)
