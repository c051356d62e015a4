"""The tables of people's decisions about publishing: rules, and owners who opted out."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    literal_column,
    text,
)

from gitpip.store.column_types import Key, OneOf, UTCDateTime
from gitpip.store.schema import metadata, publications


class RuleAction(StrEnum):
    """The action of a rule on a file that fits it."""

    PUBLISH = "publish"
    HOLD = "hold"
    SKIP = "skip"


publishing_rules = Table(
    "publishing_rules",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    # From 1, without gaps; only `rules` writes it, and always that of all.
    Column("position", Integer, nullable=False),
    Column("name", String(100), nullable=False),
    # As `publish.rules.Conditions` reads them, in JSON.
    Column("conditions", Text, nullable=False, server_default=text("'{}'")),
    Column("action", OneOf(RuleAction, 20), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
)

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    # The login when it was added, in lower case.
    Column("login", String(100), nullable=False, unique=True),
    # It decides if it is known, as a login can become another owner's.
    Column("github_id", BigInteger, unique=True),
    Column("reason", Text),
    Column("created_at", UTCDateTime, nullable=False),
    Column("created_by", String(120), nullable=False),
)

# Counts files queued within a day, except those from before their user was added.
fresh = and_(publications.c.queued_at.is_not(None), publications.c.backfill == literal_column("0"))
Index(
    "ix_publications_queued_at",
    publications.c.queued_at,
    sqlite_where=fresh,
    postgresql_where=fresh,
)
