"""The tables of access: keys, sessions, secret addresses of feeds, and the audit log."""

from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text, func, text

from gitpip.model import Role
from gitpip.store.column_types import Key, OneOf, OneOfOrText, UTCDateTime
from gitpip.store.schema import metadata


class Via(StrEnum):
    """The door of an act: page, API or command."""

    PAGE = "page"
    API = "api"
    COMMAND = "command"


access_keys = Table(
    "access_keys",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("name", String(60), nullable=False),
    Column("role", OneOf(Role, 20), nullable=False),
    # The part of a key that is not secret: it finds the row, and tells keys apart in lists.
    Column("label", String(8), nullable=False, unique=True),
    Column("hash", String(64), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("issued_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime),
    Column("used_at", UTCDateTime),
    Column("revoked_at", UTCDateTime),
)
Index(
    "uq_access_keys_name",
    func.lower(access_keys.c.name),
    unique=True,
    sqlite_where=access_keys.c.revoked_at.is_(None),
    postgresql_where=access_keys.c.revoked_at.is_(None),
)

# Browsers that signed in, each with the label of the key that they stand for.
sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("label", String(20), nullable=False),
    Column("began_at", UTCDateTime, nullable=False),
    Column("until", UTCDateTime, nullable=False),
)

feed_addresses = Table(
    "feed_addresses",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("name", String(60), nullable=False),
    Column("viewer", String(100), nullable=False),
    # The parent of the address: the label of a key, or a word for a parent without a row.
    Column("parent", String(20), nullable=False, server_default=text("''")),
    Column("key_id", Key, ForeignKey("access_keys.id")),
    Column("created_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
    Column("revoked_at", UTCDateTime),
)

# The rights that the settings give: see `access.noted`. The empty text stands for nothing.
noted_rights = Table(
    "noted_rights",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("held", String(20), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("at", UTCDateTime, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("via", OneOfOrText(Via, 10), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", Text, nullable=False),
)
