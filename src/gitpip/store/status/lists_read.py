"""How far the reading of every user's list by REST is, which backs up what GraphQL answers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from gitpip.store.database import Transaction
from gitpip.store.schema import active, users
from gitpip.store.status import checks
from gitpip.store.users.schedule import LISTED_EVERY, listed


@dataclass(frozen=True)
class Lists:
    """How far the reading of every list is. Times are UTC."""

    users: int
    """How many are active."""
    waiting: int
    """How many of these users' lists were not read for `LISTED_EVERY`."""
    oldest: datetime | None
    """When the list that was not read for the longest time was read, or its user added."""
    a_day: float
    """How many lists of users that were not due are read in a day, at the present pace."""

    @property
    def round(self) -> timedelta | None:
        """How long a round over everybody takes so; None if no list waits, or none is read."""
        return timedelta(days=self.users / self.a_day) if self.waiting and self.a_day else None


async def lists(transaction: Transaction, now: datetime) -> Lists:
    """How far the reading of every list is."""
    number = await transaction.scalar(select(func.count()).select_from(users).where(active))
    waiting = await transaction.scalar(
        select(func.count()).select_from(users).where(active, listed < now - LISTED_EVERY)
    )
    oldest = await transaction.scalar(
        select(func.min(listed, type_=users.c.listed_at.type)).where(active)
    )
    return Lists(number or 0, waiting or 0, oldest, await checks.lists_a_day(transaction, now))
