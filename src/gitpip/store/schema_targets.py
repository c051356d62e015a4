"""The table of targets: where a user's activities are put, if not under a deal by its title."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

from gitpip.store.column_types import AnyTarget, Key, UTCDateTime
from gitpip.store.schema import metadata

targets = Table(
    "targets",
    metadata,
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), primary_key=True),
    Column("target", AnyTarget, nullable=False),
    # The ids are those of one account; NULL while no account is known.
    Column("account_key", Key, ForeignKey("accounts.key", ondelete="SET NULL")),
    # What Pipedrive said of it, and when; NULL while Pipedrive was not asked.
    Column("title", Text),
    Column("checked_at", UTCDateTime),
    # Of a deal or a lead: they are linked beside it.
    Column("person_id", BigInteger),
    Column("org_id", BigInteger),
    # Why nothing can be put there, and since when.
    Column("problem", Text),
    Column("problem_since", UTCDateTime),
)
Index(
    "ix_targets_problem",
    targets.c.user_key,
    sqlite_where=targets.c.problem.is_not(None),
    postgresql_where=targets.c.problem.is_not(None),
)
