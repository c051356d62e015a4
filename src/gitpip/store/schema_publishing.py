"""The tables of the publishing settings: what people set, and what the CRM lacks of it."""

from sqlalchemy import Column, String, Table, Text

from gitpip.store.column_types import UTCDateTime
from gitpip.store.schema import metadata

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
