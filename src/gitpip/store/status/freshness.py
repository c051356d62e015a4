"""The number of users by how up to date they are."""

from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import and_, func, select

from gitpip.store.database import Transaction
from gitpip.store.schema import active, users

AGES = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=12),
    timedelta(days=1),
)
"""The bounds between the groups; what is known is always at least three minutes old."""


async def freshness_groups(transaction: Transaction, now: datetime) -> tuple[int, ...]:
    """Count the active users known up to within each of `AGES`, up to earlier, and not at all."""
    until = users.c.complete_until
    bounds = [now - step for step in AGES]
    groups = [
        until >= bounds[0],
        *(and_(until >= later, until < sooner) for sooner, later in pairwise(bounds)),
        until < bounds[-1],
        until.is_(None),
    ]
    # An index has each group in one piece; to group all, their rows would be read.
    numbers = [
        select(func.count(users.c.key)).where(active, group).scalar_subquery() for group in groups
    ]
    return tuple((await transaction.execute(select(*numbers))).one())
