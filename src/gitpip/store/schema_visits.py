"""The tables of visits: to one user's files, and to the home page."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    text,
)

from gitpip.store.column_types import Flag, Key, UTCDateTime
from gitpip.store.schema import metadata

home_visits = Table(
    "home_visits",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("viewer", String(100), nullable=False),
    Column("at", UTCDateTime, nullable=False),
    # Written by versions that had no inbox.
    Column("complete_up_to", Key),
    Column("users", Integer, nullable=False, server_default=text("0")),
    Column("files", BigInteger, nullable=False, server_default=text("0")),
    Column("gists", Integer, nullable=False, server_default=text("0")),
    # Whether the gists were marked as unread rather than as read.
    Column("unread", Flag, nullable=False, server_default=text("0")),
    Column("undone_at", UTCDateTime),
    Index("ix_home_visits_viewer", "viewer", "id"),
)

visits = Table(
    "visits",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), nullable=False),
    Column("viewer", String(100), nullable=False),
    Column("after", BigInteger, nullable=False),
    Column("up_to", BigInteger, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    # The newest key of the inbox among the user's gists; NULL for a visit of an older version.
    Column("inbox_up_to", BigInteger),
    Column("home_visit_id", Key, ForeignKey("home_visits.id"), index=True),
    CheckConstraint("up_to >= after", name="forward"),
    Index("ix_visits_user_viewer", "user_key", "viewer", "up_to"),
)
Index(
    "uq_visits_shown_once",
    visits.c.user_key,
    visits.c.viewer,
    visits.c.after,
    unique=True,
    sqlite_where=visits.c.up_to > visits.c.after,
    postgresql_where=visits.c.up_to > visits.c.after,
)
