"""Gauges: what is left of the vendors' budgets, how long the queue was, how fresh the users are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.capacity import (
    POINTS,
    REQUESTS_WITH_TOKEN,
    REQUESTS_WITHOUT_TOKEN,
    USERS_A_POINT,
    Means,
    capacity,
)
from gitpip.model import Pause, PauseCause
from gitpip.store.publications.publications import WAITING
from gitpip.store.schema import active, budgets, publications, samples, users
from gitpip.store.status import checks, operation
from gitpip.store.visibility import of_tracked

SAMPLE_EVERY = timedelta(minutes=5)
KEPT = timedelta(days=1)
GITHUB_REQUESTS = "GitHub requests"
GITHUB_POINTS = "GitHub GraphQL points"
"""Names of budgets."""
STEPS = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=12),
    timedelta(days=1),
)
"""The bounds between the groups of freshness; what is known lies three minutes back at least."""


@dataclass(frozen=True)
class Budget:
    """What is left of one of a vendor's limits. Times are UTC."""

    name: str
    total: int
    remaining: int
    resets_at: datetime | None
    """None where the vendor does not say when."""
    seen_at: datetime


@dataclass(frozen=True)
class Sample:
    """How many publications waited at a time."""

    at: datetime
    waiting: int


async def note_budgets(transaction: AsyncConnection, seen: Sequence[Budget]) -> None:
    """Keep what a vendor said last, whichever process heard it."""
    for budget in sorted(seen, key=lambda budget: budget.name):
        values = {
            "total": budget.total,
            "remaining": budget.remaining,
            "resets_at": budget.resets_at,
            "seen_at": budget.seen_at,
        }
        changed = await transaction.execute(
            update(budgets).where(budgets.c.name == budget.name).values(values)
        )
        if changed.rowcount:
            continue
        try:
            async with transaction.begin_nested():
                await transaction.execute(insert(budgets).values(name=budget.name, **values))
        except IntegrityError:
            # Another process was faster, with figures as good as ours.
            continue


async def known_budgets(transaction: AsyncConnection) -> tuple[Budget, ...]:
    """The budgets that were heard of, by name."""
    found = await transaction.execute(select(budgets).order_by(budgets.c.name))
    return tuple(
        Budget(row.name, row.total, row.remaining, row.resets_at, row.seen_at) for row in found
    )


async def capacity_now(
    transaction: AsyncConnection,
    *,
    has_token: bool,
    share: float,
    interval: timedelta,
    now: datetime,
) -> int:
    """How many users can be checked in each interval, by the limits and costs that are known.

    A pause of GraphQL because of a rate limit or an outage is left out: it is short, and has a
    problem of its own.
    """
    known = {budget.name: budget.total for budget in await known_budgets(transaction)}
    requests = known.get(GITHUB_REQUESTS, 0)
    if not has_token:
        # What is known may be of a token that was taken away, or given just now.
        few = min(requests or REQUESTS_WITHOUT_TOKEN, REQUESTS_WITHOUT_TOKEN)
        return capacity(Means(few, share=share), interval)
    if requests <= REQUESTS_WITHOUT_TOKEN:
        requests = REQUESTS_WITH_TOKEN
    if token_keeps_from_graphql(await operation.paused(transaction, operation.SWEEPING, now)):
        return capacity(Means(requests, share=share), interval)
    looked_at, swept, points = await checks.spent(transaction)
    means = Means(
        requests,
        points=known.get(GITHUB_POINTS, POINTS),
        share=share,
        users_a_point=swept / points if points else USERS_A_POINT,
        rest_part=max(looked_at - swept, 0) / looked_at if looked_at else 0.0,
    )
    return capacity(means, interval)


def token_keeps_from_graphql(pause: Pause | None) -> bool:
    """Whether this pause of GraphQL lasts until another token is set: this one shows no gists."""
    return pause is not None and pause.cause is PauseCause.CREDENTIAL


async def sample_is_due(transaction: AsyncConnection, now: datetime) -> bool:
    """Whether it is time to note how long the queue is."""
    last = await transaction.scalar(select(func.max(samples.c.at, type_=samples.c.at.type)))
    return last is None or now - last >= SAMPLE_EVERY


async def take_sample(transaction: AsyncConnection, now: datetime) -> None:
    """Note how long the queue is, and forget what is older than a day."""
    waiting = await transaction.scalar(
        select(func.count()).where(
            publications.c.state.in_(WAITING), of_tracked(publications.c.user_key)
        )
    )
    try:
        async with transaction.begin_nested():
            await transaction.execute(insert(samples).values(at=now, waiting=waiting or 0))
    except IntegrityError:
        return
    await transaction.execute(delete(samples).where(samples.c.at < now - KEPT))


async def samples_of_a_day(transaction: AsyncConnection) -> tuple[Sample, ...]:
    """The samples that are kept, oldest first."""
    found = await transaction.execute(select(samples).order_by(samples.c.at))
    return tuple(Sample(row.at, row.waiting) for row in found)


async def freshness_groups(transaction: AsyncConnection, now: datetime) -> tuple[int, ...]:
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
