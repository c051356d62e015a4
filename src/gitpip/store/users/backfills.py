"""What the backfill rule needs to know of a user: when they were added, and what is left of it."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import update

from gitpip.model import User
from gitpip.store.database import Transaction
from gitpip.store.schema import users


async def correct_added_at(
    transaction: Transaction, user: User, *, ahead: timedelta, now: datetime
) -> User:
    """Note when a user was added by GitHub's clock; ours, which shows `now`, is so far `ahead`.

    No user can have been added later than that. Gives the user as the row is now.
    """
    if not user.added_by_our_clock:
        return user
    added_at = min(user.added_at or user.created_at, now) - ahead
    await transaction.execute(
        update(users)
        .where(users.c.key == user.key)
        .values(added_at=added_at, added_by_our_clock=False)
    )
    return replace(user, added_at=added_at, added_by_our_clock=False)


async def take_of_backfill(transaction: Transaction, user: User, gists: int) -> None:
    """Note that so many gists of the past were let through by the rule `latest:N`."""
    left = user.backfill.count if user.backfill_left is None else user.backfill_left
    await transaction.execute(
        update(users)
        .where(users.c.key == user.key)
        .values(backfill_left=max((left or 0) - gists, 0))
    )
