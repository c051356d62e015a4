"""GitHub's limits, shared by all processes: recent requests, and the wait GitHub asked for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_status import github_limits

LIMITS_KEPT_FOR = timedelta(days=30)
"""How long the limits of a token that is no longer used are kept."""


@dataclass(frozen=True)
class RateLimit:
    """One of GitHub's limits: that of a token's requests for a resource."""

    credential: str
    """The token's fingerprint."""
    resource: str
    """`core` for REST, or `graphql`."""


@dataclass(frozen=True)
class Reservation:
    """The number of requests that may be sent, or the wait if it is 0. Times are aware UTC."""

    granted: int
    wait: timedelta
    """The time until the oldest reservation leaves the window; zero if some were granted."""
    until: datetime | None
    """The time before which GitHub wants no request; if set, none is granted."""
    refusals: int
    """The number of requests in a row that GitHub refused because of its limits."""


async def reserve(
    transaction: Transaction,
    limit: RateLimit,
    *,
    wanted: int,
    most: int,
    window: timedelta,
    now: datetime,
) -> Reservation:
    """Reserve up to `wanted` requests, so that at most `most` are reserved in any `window`."""
    row = await _locked(transaction, limit, now)
    if row.until is not None and row.until > now:
        return Reservation(0, timedelta(0), row.until, row.refusals)
    # A process whose clock is ahead may have written future times; they count within the window.
    recent = [
        (at, number) for at, number in _read(row.reserved) if now - window < at <= now + window
    ]
    granted = max(min(wanted, most - sum(number for _, number in recent)), 0)
    if granted == 0:
        return Reservation(0, min(at for at, _ in recent) + window - now, None, row.refusals)
    await transaction.execute(
        update(github_limits)
        .where(_same(limit))
        .values(reserved=_written([*recent, (now, granted)]), seen_at=now)
    )
    return Reservation(granted, timedelta(0), None, row.refusals)


async def note_wait(
    transaction: Transaction,
    limit: RateLimit,
    *,
    until: datetime | None,
    refusals: int,
    now: datetime,
) -> None:
    """Record the time until which GitHub wants no request, unless a later one is known.

    `refusals` is the number of requests in a row that were refused.
    """
    row = await _locked(transaction, limit, now)
    known = [time for time in (row.until, until) if time is not None]
    await transaction.execute(
        update(github_limits)
        .where(_same(limit))
        .values(until=max(known, default=None), refusals=refusals, seen_at=now)
    )


@dataclass(frozen=True)
class _Row:
    until: datetime | None
    refusals: int
    reserved: str


_row = reader(_Row)


async def _locked(transaction: Transaction, limit: RateLimit, now: datetime) -> _Row:
    query = (
        select(github_limits.c.until, github_limits.c.refusals, github_limits.c.reserved)
        .where(_same(limit))
        .with_for_update()
    )
    found = (await transaction.execute(query)).one_or_none()
    if found is None:
        await transaction.execute(
            delete(github_limits).where(github_limits.c.seen_at < now - LIMITS_KEPT_FOR)
        )
        try:
            async with transaction.begin_nested():
                await transaction.execute(
                    insert(github_limits).values(
                        credential=limit.credential, resource=limit.resource, seen_at=now
                    )
                )
        except IntegrityError:
            pass  # another process was faster
        found = (await transaction.execute(query)).one()
    return _row(found)


def _same(limit: RateLimit) -> ColumnElement[bool]:
    return and_(
        github_limits.c.credential == limit.credential, github_limits.c.resource == limit.resource
    )


def _read(text: str) -> list[tuple[datetime, int]]:
    lines = (line.split() for line in text.splitlines())
    return [(datetime.fromisoformat(at).astimezone(UTC), int(number)) for at, number in lines]


def _written(reserved: list[tuple[datetime, int]]) -> str:
    return "\n".join(f"{at.isoformat()} {number}" for at, number in reserved)
