"""How fresh what is known of the users is."""

from datetime import datetime, timedelta

from sqlalchemy import case, func, select

from gitpip.store.database import Transaction
from gitpip.store.schema import active, users

STEPS = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=12),
    timedelta(days=1),
)
"""The bounds between the groups of freshness; what is known lies three minutes back at least."""


async def freshness_groups(transaction: Transaction, now: datetime) -> tuple[int, ...]:
    """How many active users are known up to within each of `STEPS`, longer ago, and not at all."""
    whens = [(users.c.complete_until >= now - step, number) for number, step in enumerate(STEPS)]
    group = case(
        *whens,
        (users.c.complete_until.is_not(None), len(STEPS)),
        else_=len(STEPS) + 1,
    )
    grouped = select(group.label("group")).where(active).subquery()
    found = await transaction.execute(
        select(grouped.c.group, func.count()).group_by(grouped.c.group)
    )
    counted = {row[0]: row[1] for row in found}
    return tuple(counted.get(number, 0) for number in range(len(STEPS) + 2))
