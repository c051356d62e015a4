"""The tables of the publishing settings: what people set, and what the CRM lacks of it."""

from typing import Any

from sqlalchemy import Column, ColumnElement, Index, String, Table, Text, func

from gitpip.store.column_types import UTCDateTime
from gitpip.store.schema import metadata, publications

is_part = publications.c.part_of.is_not(None)
"""Whether the file of a publication is in the activity of another one."""
Index(
    "ix_publications_part_of",
    publications.c.part_of,
    sqlite_where=is_part,
    postgresql_where=is_part,
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

# What the account lacks of what a setting names, as the publisher found it.
publishing_faults = Table(
    "publishing_faults",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("sentence", Text, nullable=False),
    Column("since", UTCDateTime, nullable=False),
)

holder = publications.alias("holder")
"""The publication whose activity holds the file of another one: see `publications/parts.py`."""
OF_HOLDER = (
    "state",
    "due_at",
    "attempts",
    "looks",
    "sent_at",
    "deal_id",
    "activity_id",
    "reason",
    "published_at",
)
"""What is read of the holder where there is one."""


def shown(name: str) -> ColumnElement[Any]:
    """A column of a publication, or of its holder; for a query that joins `holder`."""
    return func.coalesce(holder.c[name], publications.c[name]).label(name)
