"""Checks: the record of each pass over the due users, and requests for one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update

from gitpip.errors import CheckNotFound
from gitpip.model import Check, CheckId, Page
from gitpip.observability import metrics
from gitpip.store import visibility
from gitpip.store.database import Transaction
from gitpip.store.gists import unreadable
from gitpip.store.rows import reader
from gitpip.store.schema import checks
from gitpip.store.users import schedule

FAILURES_KEPT = 20
CHECKS_READ = 200
A_DAY = timedelta(days=1)
AN_HOUR = timedelta(hours=1)
LARGE = 100
"""The number of users that fill a query or two."""
_check = reader(Check)


async def request(transaction: Transaction, now: datetime) -> CheckId:
    """Request a check of all users now, and of what could not be read of them.

    The process that runs checks notices the row.
    """
    await schedule.make_due(transaction, now)
    await unreadable.make_due(transaction, now)
    result = await transaction.execute(
        insert(checks).values(requested_at=now).returning(checks.c.id)
    )
    return CheckId(result.scalar_one())


async def start(transaction: Transaction, now: datetime) -> CheckId:
    """Begin a check: the oldest one that was requested or cut short, otherwise a new one."""
    waiting = await transaction.scalar(
        select(checks.c.id).where(checks.c.ended_at.is_(None)).order_by(checks.c.id).limit(1)
    )
    if waiting is None:
        result = await transaction.execute(
            insert(checks).values(requested_at=now, started_at=now).returning(checks.c.id)
        )
        return CheckId(result.scalar_one())
    await transaction.execute(
        update(checks)
        .where(checks.c.id == waiting)
        .values(started_at=func.coalesce(checks.c.started_at, now))
    )
    return CheckId(waiting)


@dataclass(frozen=True)
class Results:
    """The results of checking some users."""

    users: int = 0
    unchanged: int = 0
    gists: int = 0
    files: int = 0
    failures: Sequence[str] = ()
    """The reasons why users could not be checked, a line for each."""
    swept: int = 0
    """The number of users GraphQL was asked about."""
    points: int = 0
    """The GraphQL points that this cost."""
    listed: int = 0
    """The number of users that were not due, and whose lists were read with spare requests."""
    note: str | None = None
    """A line among the failures that does not count as a failed user."""

    def count(self) -> None:
        """Count the results in the metrics of this process; call it after the commit."""
        metrics.looks.labels("unchanged").inc(self.unchanged)
        metrics.looks.labels("read").inc(self.users - self.unchanged - len(self.failures))
        metrics.looks.labels("failed").inc(len(self.failures))
        metrics.files_found.inc(self.files)


async def add_results(transaction: Transaction, check_id: CheckId, results: Results) -> None:
    """Add results to a check, which keeps the first `FAILURES_KEPT` failures and their number."""
    # Gists refer to the check: of two transactions that stored some, each would wait for the other
    # under a lock that forbids references.
    kept = await transaction.scalar(
        select(checks.c.failures).where(checks.c.id == check_id).with_for_update(key_share=True)
    )
    lines = (*(kept or ()), *results.failures, *([results.note] if results.note else []))
    await transaction.execute(
        update(checks)
        .where(checks.c.id == check_id)
        .values(
            users=checks.c.users + results.users,
            unchanged=checks.c.unchanged + results.unchanged,
            gists=checks.c.gists + results.gists,
            files=checks.c.files + results.files,
            swept=checks.c.swept + results.swept,
            points=checks.c.points + results.points,
            listed=checks.c.listed + results.listed,
            failed=checks.c.failed + len(results.failures),
            failures=lines[:FAILURES_KEPT],
        )
    )


async def end(transaction: Transaction, check_id: CheckId, now: datetime) -> None:
    """Record that a check is over."""
    await transaction.execute(update(checks).where(checks.c.id == check_id).values(ended_at=now))


async def prune(transaction: Transaction, before: datetime) -> None:
    """Delete the checks that ended before a time and neither found anything nor failed."""
    await transaction.execute(
        delete(checks).where(
            checks.c.ended_at < before,
            checks.c.gists == 0,
            checks.c.files == 0,
            checks.c.failures == (),
        )
    )


async def any_open(transaction: Transaction, *, other_than: CheckId | None = None) -> bool:
    """Return whether a requested or cut-short check waits to be run; `other_than` is left out."""
    wanted = select(checks.c.id).where(checks.c.ended_at.is_(None))
    if other_than is not None:
        wanted = wanted.where(checks.c.id != other_than)
    return bool(await transaction.scalar(select(wanted.exists())))


async def spent(transaction: Transaction) -> tuple[int, int, int]:
    """Return the users, the users asked about by GraphQL, and the points of large recent checks.

    Smaller checks are left out: their queries cost a point each without being full. So are users
    that were not due: they take only what is left over.
    """
    latest = (
        select((checks.c.users - checks.c.listed).label("users"), checks.c.swept, checks.c.points)
        .where(checks.c.ended_at.is_not(None))
        .order_by(checks.c.ended_at.desc())
        .limit(CHECKS_READ)
        .subquery()
    )
    row = (
        await transaction.execute(
            select(
                func.coalesce(func.sum(latest.c.users), 0),
                func.coalesce(func.sum(latest.c.swept), 0),
                func.coalesce(func.sum(latest.c.points), 0),
            ).where(latest.c.swept >= LARGE)
        )
    ).one()
    return int(row[0]), int(row[1]), int(row[2])


async def lists_a_day(transaction: Transaction, now: datetime) -> float:
    """Return how many lists of users that were not due are read per day, at the last day's pace."""
    latest = or_(checks.c.ended_at.is_(None), checks.c.ended_at > now - A_DAY)
    listed, began = (
        await transaction.execute(
            select(
                func.coalesce(func.sum(checks.c.listed), 0),
                func.min(checks.c.started_at, type_=checks.c.started_at.type),
            ).where(latest)
        )
    ).one()
    if not listed or began is None:
        return 0.0
    return float(listed * (A_DAY / min(max(now - began, AN_HOUR), A_DAY)))


async def last_end(transaction: Transaction) -> datetime | None:
    """Return when the last check ended."""
    return await transaction.scalar(
        select(checks.c.ended_at)
        .where(checks.c.ended_at.is_not(None))
        .order_by(checks.c.ended_at.desc())
        .limit(1)
    )


async def get(transaction: Transaction, check_id: CheckId) -> Check:
    """Return one check; raises CheckNotFound."""
    rows = (await transaction.execute(select(checks).where(checks.c.id == check_id))).all()
    if not rows:
        raise CheckNotFound(f"there is no check {check_id}")
    return (await _checks(transaction, rows))[0]


async def page(transaction: Transaction, *, offset: int, limit: int) -> Page[Check]:
    """Return a page of the checks, newest first."""
    total = await transaction.scalar(select(func.count()).select_from(checks))
    rows = await transaction.execute(
        select(checks).order_by(checks.c.id.desc()).offset(offset).limit(limit)
    )
    return Page(await _checks(transaction, rows.all()), total or 0)


async def _checks(transaction: Transaction, rows: Sequence[Row[Any]]) -> tuple[Check, ...]:
    """Return the checks of these rows, without the failures of users who were removed since."""
    found = [_check(row) for row in rows]
    lines = [line for check in found for line in check.failures]
    shown = await visibility.without_removed(transaction, lines)
    return tuple(
        replace(check, failures=tuple(line for line in check.failures if line in shown))
        for check in found
    )
