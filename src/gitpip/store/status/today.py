"""How much there really is: what a plan for more is compared with."""

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
    """What the rows say at one time. Times are UTC."""

    users: int
    """Those that are watched now."""
    gists_per_day: float
    """Found within the last seven days, the past of new users included."""
    files_per_day: float
    freshness_p95_seconds: float | None
    """How long ago 95 of 100 users were known completely; None where none was read yet."""
    database_bytes: int
    budgets: tuple[Budget, ...]
    """What the vendors said last of their limits."""


async def read(transaction: Transaction, now: datetime) -> Today:
    """How much there is at `now`."""
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
    """How many rows of tracked users were found since a time.

    An index alone counts all of them; those of removed users, which are few, are taken off.
    """
    number = select(func.count()).select_from(table).where(table.c.found_at >= since)
    hidden = await transaction.scalar(number.where(of_removed(table.c.user_key)))
    return (await transaction.scalar(number) or 0) - (hidden or 0)


async def database_size(transaction: Transaction) -> int:
    """Bytes on disk, without SQLite's log of what is not in the file yet."""
    if transaction.dialect.name == "sqlite":
        pages = await transaction.scalar(text("PRAGMA page_count"))
        return int(pages or 0) * int(await transaction.scalar(text("PRAGMA page_size")) or 0)
    return int(await transaction.scalar(text("SELECT pg_database_size(current_database())")) or 0)
