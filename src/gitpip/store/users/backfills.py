"""A user's data for the backfill rule: the time of adding, and what is left of `latest:N`."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import update

from gitpip.model import User
from gitpip.store.database import Transaction
from gitpip.store.schema import users


async def correct_added_at(
    transaction: Transaction, user: User, *, ahead: timedelta, now: datetime
) -> User:
    """Correct the time at which a user was added from our clock to GitHub's.

    `now` is the time by our clock, which is `ahead` of GitHub's. No user can have been added later
    than that. Return the user as the row is now.
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
    """Subtract the number of existing gists that the rule `latest:N` let through."""
    left = user.backfill.count if user.backfill_left is None else user.backfill_left
    await transaction.execute(
        update(users)
        .where(users.c.key == user.key)
        .values(backfill_left=max((left or 0) - gists, 0))
    )
