"""The progress of reading every user's list by REST, which backs up what GraphQL answers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from gitpip.store.database import Transaction
from gitpip.store.schema import active, users
from gitpip.store.status import checks
from gitpip.store.users.schedule import LISTED_EVERY, listed


@dataclass(frozen=True)
class Lists:
    """The progress of reading every list. Times are UTC."""

    users: int
    """The number of active users."""
    waiting: int
    """The number of these whose lists were not read for `LISTED_EVERY`."""
    oldest: datetime | None
    """The time when the list unread for the longest was read, or its user added."""
    a_day: float
    """The number of lists of users that were not due that are read per day, at the present pace."""

    @property
    def round(self) -> timedelta | None:
        """The time of a round over all users at that pace; None if no list waits or is read."""
        return timedelta(days=self.users / self.a_day) if self.waiting and self.a_day else None


async def lists(transaction: Transaction, now: datetime) -> Lists:
    """Return the progress of reading every list."""
    number = await transaction.scalar(select(func.count()).select_from(users).where(active))
    waiting = await transaction.scalar(
        select(func.count()).select_from(users).where(active, listed < now - LISTED_EVERY)
    )
    oldest = await transaction.scalar(
        select(func.min(listed, type_=users.c.listed_at.type)).where(active)
    )
    return Lists(number or 0, waiting or 0, oldest, await checks.lists_a_day(transaction, now))
