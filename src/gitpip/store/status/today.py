"""The present load: the numbers that a plan for more is compared with."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import quantiles

from sqlalchemy import func, select, text

from gitpip.model import UserState
from gitpip.store.database import Transaction
from gitpip.store.publications import progress
from gitpip.store.publications.publication_rows import appeared_at
from gitpip.store.schema import gist_files, gists, publications
from gitpip.store.schema_inbox import inbox
from gitpip.store.status.budgets import StoredBudget, known_budgets
from gitpip.store.users import schedule, users
from gitpip.store.visibility import of_tracked

WEEK = timedelta(days=7)
MAX_MEASURED = 5_000
"""The newest publications among which new gists are measured. The limit keeps the time the same,
however many there are."""


@dataclass(frozen=True)
class Today:
    """The load at one time, as the rows show it. Times are UTC."""

    users: int
    """The number of active users."""
    gists_per_day: float
    """The number created per day in the last seven days, by GitHub's clock."""
    files_per_day: float
    """The number of files of these gists."""
    freshness_p95_seconds: float | None
    """The age up to which 95 of 100 users are known completely; None if none was read yet."""
    published_p95_seconds: float | None
    """The time within which 95 of 100 new gists of the last seven days were in Pipedrive, from
    their creation on GitHub; None if fewer than two were published."""
    queue_seconds: float | None
    """The time that the queue takes at the recent pace; None if nothing waits, or if nothing was
    published recently."""
    database_bytes: int
    budgets: tuple[StoredBudget, ...]
    """The limits as the vendors last reported them."""


async def read(transaction: Transaction, now: datetime) -> Today:
    """Return the load at `now`."""
    since = now - WEEK
    created, files = await _created(transaction, since)
    known = (await schedule.freshness(transaction)).most
    left = await progress.queue_left(transaction, now)
    return Today(
        users=(await users.count(transaction)).get(UserState.ACTIVE, 0),
        gists_per_day=created / WEEK.days,
        files_per_day=files / WEEK.days,
        freshness_p95_seconds=max(0.0, (now - known).total_seconds()) if known else None,
        published_p95_seconds=await _published_p95(transaction, since),
        queue_seconds=left.total_seconds() if left else None,
        database_bytes=await database_size(transaction),
        budgets=await known_budgets(transaction),
    )


async def _published_p95(transaction: Transaction, since: datetime) -> float | None:
    newest = (
        select(publications.c.id)
        .where(publications.c.published_at >= since)
        .order_by(publications.c.published_at.desc())
        .limit(MAX_MEASURED)
    )
    rows = await transaction.execute(
        select(appeared_at().label("appeared_at"), publications.c.published_at)
        .select_from(publications)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .join(gists, gists.c.id == gist_files.c.gist_id)
        .where(
            publications.c.id.in_(newest),
            appeared_at().is_not(None),
            of_tracked(publications.c.user_key),
        )
    )
    took = [max(0.0, (row.published_at - row.appeared_at).total_seconds()) for row in rows]
    return quantiles(took, n=20, method="inclusive")[-1] if len(took) > 1 else None


async def _created(transaction: Transaction, since: datetime) -> tuple[int, int]:
    """Return how many gists of tracked users were created since a time, and how many files."""
    found = await transaction.execute(
        select(func.count(func.distinct(inbox.c.gist_id)), func.count(gist_files.c.key))
        .select_from(inbox)
        .join(gist_files, gist_files.c.gist_id == inbox.c.gist_id)
        .where(inbox.c.created_at >= since, of_tracked(inbox.c.user_key))
    )
    gists_created, files = found.one()
    return gists_created, files


async def database_size(transaction: Transaction) -> int:
    """Return the bytes on disk, without SQLite's log of what is not in the file yet."""
    if transaction.dialect.name == "sqlite":
        pages = await transaction.scalar(text("PRAGMA page_count"))
        return int(pages or 0) * int(await transaction.scalar(text("PRAGMA page_size")) or 0)
    return int(await transaction.scalar(text("SELECT pg_database_size(current_database())")) or 0)
