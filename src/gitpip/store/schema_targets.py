"""The tables of targets of users' activities, and of changes of deals found by their titles."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

from gitpip.drift import Drift, DriftAnswer
from gitpip.store.column_types import AnyTarget, Key, OneOf, UTCDateTime
from gitpip.store.schema import metadata

targets = Table(
    "targets",
    metadata,
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), primary_key=True),
    Column("target", AnyTarget, nullable=False),
    # The ids are those of one account; NULL while no account is known.
    Column("account_key", Key, ForeignKey("accounts.key", ondelete="SET NULL")),
    # The target as Pipedrive showed it, and when; NULL if Pipedrive was not asked yet.
    Column("title", Text),
    Column("checked_at", UTCDateTime),
    # Of a deal or a lead: they are linked in addition to it.
    Column("person_id", BigInteger),
    Column("org_id", BigInteger),
    # The reason why nothing can be put there, and since when.
    Column("problem", Text),
    Column("problem_since", UTCDateTime),
)
Index(
    "ix_targets_problem",
    targets.c.user_key,
    sqlite_where=targets.c.problem.is_not(None),
    postgresql_where=targets.c.problem.is_not(None),
)

deal_drifts = Table(
    "deal_drifts",
    metadata,
    Column("user_key", Key, ForeignKey("deals.user_key", ondelete="CASCADE"), primary_key=True),
    # The time when Pipedrive was last asked about the present deal; NULL: it is asked before use.
    Column("asked_at", UTCDateTime),
    # The last change of a deal, the place of new files since then, and the time and the deal.
    Column("drift", OneOf(Drift, 20)),
    Column("answer", OneOf(DriftAnswer, 20)),
    Column("drifted_at", UTCDateTime),
    Column("drifted_deal_id", BigInteger),
)
