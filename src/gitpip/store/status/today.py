"""The present load: the numbers that a plan for more is compared with."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Table, func, select, text

from gitpip.model import UserState
from gitpip.store.database import Transaction
from gitpip.store.schema import gist_files, gists
from gitpip.store.status.budgets import Budget, known_budgets
from gitpip.store.users import schedule, users
from gitpip.store.visibility import of_removed

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Today:
    """The load at one time, as the rows show it. Times are UTC."""

    users: int
    """The number of active users."""
    gists_per_day: float
    """The number found per day in the last seven days, existing gists of new users included."""
    files_per_day: float
    freshness_p95_seconds: float | None
    """The age up to which 95 of 100 users are known completely; None if none was read yet."""
    database_bytes: int
    budgets: tuple[Budget, ...]
    """The limits as the vendors last reported them."""


async def read(transaction: Transaction, now: datetime) -> Today:
    """Return the load at `now`."""
    since = now - WEEK
    found = await _found(transaction, gists, since)
    files = await _found(transaction, gist_files, since)
    known = (await schedule.freshness(transaction)).most
    return Today(
        users=(await users.count(transaction)).get(UserState.ACTIVE, 0),
        gists_per_day=found / WEEK.days,
        files_per_day=files / WEEK.days,
        freshness_p95_seconds=max(0.0, (now - known).total_seconds()) if known else None,
        database_bytes=await database_size(transaction),
        budgets=await known_budgets(transaction),
    )


async def _found(transaction: Transaction, table: Table, since: datetime) -> int:
    """Return how many rows of tracked users were found since a time.

    An index alone counts all of them; those of removed users, which are few, are subtracted.
    """
    number = select(func.count()).select_from(table).where(table.c.found_at >= since)
    hidden = await transaction.scalar(number.where(of_removed(table.c.user_key)))
    return (await transaction.scalar(number) or 0) - (hidden or 0)


async def database_size(transaction: Transaction) -> int:
    """Return the bytes on disk, without SQLite's log of what is not in the file yet."""
    if transaction.dialect.name == "sqlite":
        pages = await transaction.scalar(text("PRAGMA page_count"))
        return int(pages or 0) * int(await transaction.scalar(text("PRAGMA page_size")) or 0)
    return int(await transaction.scalar(text("SELECT pg_database_size(current_database())")) or 0)
