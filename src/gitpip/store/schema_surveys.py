"""The tables of surveys: readings of a whole account, for an audit or for others' activities."""

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

from gitpip.store.column_types import Flag, Key, Lines, OneOf, UTCDateTime
from gitpip.store.schema import metadata


class SurveyKind(StrEnum):
    """The purpose for which an account is read."""

    AUDIT = "audit"
    OTHERS = "others"
    """Activities that other tools made of the same gists."""


class Step(StrEnum):
    """The next step of a survey."""

    DEALS = "deals"
    ACTIVITIES = "activities"
    FILES = "files"
    STRANGERS = "strangers"
    END = "end"


class Verdict(StrEnum):
    """The result of comparing a gist file between GitHub, store and Pipedrive."""

    SAME = "same"
    EXPLAINED = "explained"
    UNEXPLAINED = "unexplained"


class Confidence(StrEnum):
    """The confidence that an activity of another tool is that of a gist file."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"
    AMBIGUOUS = "ambiguous"
    """More than one file fits, or more than one activity: it is never adopted."""


surveys = Table(
    "surveys",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("kind", OneOf(SurveyKind, 20), nullable=False),
    Column("requested_at", UTCDateTime, nullable=False),
    Column("requested_by", String(120), nullable=False),
    # The only user, and the earliest finding, of the compared files; NULL for all.
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE")),
    Column("since", UTCDateTime),
    Column("with_github", Flag, nullable=False, server_default=text("1")),
    # The account that is read; NULL until it is known.
    Column("account_key", Key, ForeignKey("accounts.key", ondelete="CASCADE")),
    Column("step", OneOf(Step, 20), nullable=False),
    # The position at which the step continues: a cursor of Pipedrive's, or the last key.
    Column("cursor", Text),
    Column("begun_at", UTCDateTime),
    Column("ended_at", UTCDateTime),
    # The reason why it ended without a result.
    Column("failure", Text),
    Column("waits_until", UTCDateTime),
    Column("waits_because", Text),
    Column("deals", BigInteger, nullable=False, server_default=text("0")),
    Column("activities", BigInteger, nullable=False, server_default=text("0")),
    # Entries of lists that could not be read.
    Column("unread", Integer, nullable=False, server_default=text("0")),
    Column("tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("github_lists", BigInteger, nullable=False, server_default=text("0")),
    # Failures since something was read, and lists that had to be read again.
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("restarts", Integer, nullable=False, server_default=text("0")),
    # The positions at which it continues with users that are read last: GitHub asked to wait.
    Column("put_off", Lines, nullable=False, server_default=text("''")),
    # The process that works on it, and the end of its lease.
    Column("token", String(40)),
    Column("lease_until", UTCDateTime),
)

# Deals of our users, as the survey saw them.
survey_deals = Table(
    "survey_deals",
    metadata,
    Column("survey_id", Key, ForeignKey("surveys.id", ondelete="CASCADE"), primary_key=True),
    Column("deal_id", BigInteger, primary_key=True),
    # The owner of the deal.
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), nullable=False),
    Index("ix_survey_deals_user_key", "user_key"),
)

# Activities of ours, as the survey saw them.
survey_activities = Table(
    "survey_activities",
    metadata,
    Column("survey_id", Key, ForeignKey("surveys.id", ondelete="CASCADE"), primary_key=True),
    Column("activity_id", BigInteger, primary_key=True),
    Column("marker", String(40)),
    Column("deal_id", BigInteger),
    # Whether the subject or the note no longer has our marker.
    Column("edited", Flag, nullable=False, server_default=text("0")),
    Index("ix_survey_activities_marker", "survey_id", "marker"),
)

survey_lines = Table(
    "survey_lines",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("survey_id", Key, ForeignKey("surveys.id", ondelete="CASCADE"), nullable=False),
    # NULL if an activity belongs to no known user.
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), index=True),
    Column("gist_id", String(64)),
    Column("filename", Text),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    Column("github", String(20), nullable=False),
    Column("stored", String(20), nullable=False),
    Column("pipedrive", String(20), nullable=False),
    Column("activity_id", BigInteger),
    Column("deal_id", BigInteger),
    Column("verdict", OneOf(Verdict, 20), nullable=False),
    Column("explanation", String(40)),
    Column("detail", Text),
    Index("ix_survey_lines_verdict", "survey_id", "verdict", "id"),
)

# Activities that other tools made, and the publication that each one fits.
other_activities = Table(
    "other_activities",
    metadata,
    Column("survey_id", Key, ForeignKey("surveys.id", ondelete="CASCADE"), primary_key=True),
    Column("activity_id", BigInteger, primary_key=True),
    Column("publication_id", Key, ForeignKey("publications.id", ondelete="CASCADE"), index=True),
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), index=True),
    Column("confidence", OneOf(Confidence, 20), nullable=False),
    Column("because", Text, nullable=False),
    Column("deal_id", BigInteger),
    # Whether that deal has the user's name, or is known to be the user's.
    Column("deal_agrees", Flag, nullable=False, server_default=text("0")),
    Column("added_at", UTCDateTime),
    Index("ix_other_activities_publication", "survey_id", "publication_id"),
)

# Publications whose activity another tool made; it has no marker of ours.
adopted_from_others = Table(
    "adopted_from_others",
    metadata,
    Column(
        "publication_id", Key, ForeignKey("publications.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("activity_id", BigInteger, nullable=False),
    Column("confidence", OneOf(Confidence, 20), nullable=False),
    Column("because", Text, nullable=False),
    Column("adopted_at", UTCDateTime, nullable=False),
    UniqueConstraint("activity_id"),
)
