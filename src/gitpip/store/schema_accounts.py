"""The tables of the vendors' accounts, and of our activities that were seen in Pipedrive."""

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

from gitpip.store.column_types import AnyTarget, Flag, Key, NumberSet, OneOf, UTCDateTime
from gitpip.store.schema import metadata


class Vendor(StrEnum):
    """A service at which gitpip has an account."""

    GITHUB = "github"
    DESTINATION = "pipedrive"
    """Where gitpip publishes. The value names the CRM."""


NAMES = {Vendor.GITHUB: "GitHub", Vendor.DESTINATION: "Pipedrive"}
"""The vendors' names for people."""


# The known accounts at each vendor; the rows of all other tables belong to the bound ones.
accounts = Table(
    "accounts",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("vendor", OneOf(Vendor, 20), nullable=False),
    # Pipedrive's id of the company; the host of GitHub's API.
    Column("identity", String(300), nullable=False),
    Column("name", Text, nullable=False),
    Column("domain", String(63)),
    # The ids of the users whose tokens were used, a word each: they created our activities.
    Column("creators", NumberSet, nullable=False, server_default=text("''")),
    # The fingerprint of the token with which it was last seen.
    Column("credential", String(12)),
    Column("bound", Flag, nullable=False, server_default=text("0")),
    # The time since when its token is set although the rows belong to another account.
    Column("waits_since", UTCDateTime),
    # The time until which a process is assumed to have it set: each renews this while two are set.
    Column("noted_until", UTCDateTime),
    Column("met_at", UTCDateTime, nullable=False),
    # The custom field of deals that holds GitHub's id, and when it is tried again if there is none.
    Column("deal_field", String(64)),
    Column("deal_field_due_at", UTCDateTime),
    UniqueConstraint("vendor", "identity"),
)
is_bound = accounts.c.bound == 1
Index(
    "uq_accounts_bound",
    accounts.c.vendor,
    unique=True,
    sqlite_where=text("bound = 1"),
    postgresql_where=text("bound = 1"),
)

# The comparison of the publications with what is in Pipedrive; one row. Adding publications shares
# its lock, adopting and switching take it alone.
ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("compared_at", UTCDateTime),
    Column("adopted", Integer, nullable=False, server_default=text("0")),
    # Nothing is sent before; then it is compared once more.
    Column("hold_until", UTCDateTime),
    Column("requested_at", UTCDateTime),
    # The number of activities that a comparison under way has read.
    Column("read", BigInteger, nullable=False, server_default=text("0")),
    # The activity at which that one ends; null for one that reads everything.
    Column("read_down_to", BigInteger),
    # Published activities that Pipedrive no longer lists.
    Column("missing", Integer, nullable=False, server_default=text("0")),
    Column("missing_since", UTCDateTime),
    # The time of the comparison that showed what a person acknowledged as missing.
    Column("acknowledged_at", UTCDateTime),
    # The time when an activity that another installation sent was last seen.
    Column("others_seen_at", UTCDateTime),
    # The time when a process found that the database had lost what it knew to be there.
    Column("set_back_at", UTCDateTime),
    # The time when future times, written by a clock that was ahead, were last set back.
    Column("times_set_back_at", UTCDateTime),
)

# Our activities in Pipedrive without a publication: it does not exist yet, or has another activity.
markers = Table(
    "markers",
    metadata,
    Column("account_key", Key, ForeignKey("accounts.key", ondelete="CASCADE"), primary_key=True),
    Column("activity_id", BigInteger, primary_key=True),
    Column("marker", String(40), nullable=False),
    Column("deal_id", BigInteger),
    Column("added_at", UTCDateTime),
    Column("seen_at", UTCDateTime, nullable=False),
    # The tag of its content: the beginning of a blob hash, or a whole one.
    Column("content", String(64)),
    # For an activity that a person has had sent again: the marker of the file's first one.
    Column("first_marker", String(40)),
    # Whether another activity has the same marker.
    Column("duplicate", Flag, nullable=False, server_default=text("0")),
    # The time when a person acknowledged it.
    Column("acknowledged_at", UTCDateTime),
    Index("ix_markers_marker", "account_key", "marker"),
    Index("ix_markers_first_marker", "account_key", "first_marker"),
)

# Other files of an activity, as lists showed them, that no publication has as its parts.
marker_parts = Table(
    "marker_parts",
    metadata,
    Column("account_key", Key, ForeignKey("accounts.key", ondelete="CASCADE"), primary_key=True),
    Column("activity_id", BigInteger, primary_key=True),
    Column("marker", String(40), primary_key=True),
    Column("deal_id", BigInteger),
    Column("added_at", UTCDateTime),
    # The tag of this file's content, from the activity.
    Column("content", String(64)),
    Index("ix_marker_parts_marker", "account_key", "marker"),
)

# The states of the rows in accounts that are not the bound ones.
kept_publications = Table(
    "kept_publications",
    metadata,
    Column("account_key", Key, ForeignKey("accounts.key", ondelete="CASCADE"), primary_key=True),
    Column(
        "publication_id",
        Key,
        ForeignKey("publications.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    Column("state", String(20), nullable=False),
    Column("due_at", UTCDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("sent_at", UTCDateTime),
    Column("in_flight_until", UTCDateTime),
    Column("deal_id", BigInteger),
    Column("sent_to", AnyTarget),
    Column("activity_id", BigInteger),
    Column("reason", Text),
    Column("published_at", UTCDateTime),
)
kept_deals = Table(
    "kept_deals",
    metadata,
    Column("account_key", Key, ForeignKey("accounts.key", ondelete="CASCADE"), primary_key=True),
    Column(
        "user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), primary_key=True, index=True
    ),
    Column("state", String(20), nullable=False),
    Column("due_at", UTCDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("sent_at", UTCDateTime),
    Column("in_flight_until", UTCDateTime),
    Column("deal_id", BigInteger),
    Column("person_id", BigInteger),
    Column("org_id", BigInteger),
    Column("reason", Text),
    Column("title", Text),
)
kept_users = Table(
    "kept_users",
    metadata,
    Column("account_key", Key, ForeignKey("accounts.key", ondelete="CASCADE"), primary_key=True),
    Column(
        "user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), primary_key=True, index=True
    ),
    Column("github_id", BigInteger),
    Column("node_id", String(100)),
    Column("removed_at", UTCDateTime),
)
