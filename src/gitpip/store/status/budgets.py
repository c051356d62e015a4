"""Budgets: what is left of the vendors' limits, and how many users that allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from gitpip.capacity import (
    POINTS,
    REQUESTS_WITH_TOKEN,
    REQUESTS_WITHOUT_TOKEN,
    USERS_A_POINT,
    HourlyLimits,
    capacity,
)
from gitpip.model import Pause, PauseCause
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_status import budgets
from gitpip.store.status import checks, pauses

GITHUB_REQUESTS = "GitHub requests"
GITHUB_POINTS = "GitHub GraphQL points"
"""Names of budgets."""


@dataclass(frozen=True)
class StoredBudget:
    """The rest of one of a vendor's limits. Times are UTC."""

    name: str
    total: int
    remaining: int
    resets_at: datetime | None
    """None if the vendor does not say when."""
    seen_at: datetime


_budget = reader(StoredBudget)


async def note_budgets(transaction: Transaction, seen: Sequence[StoredBudget]) -> None:
    """Store the budgets that a vendor last reported, to whichever process."""
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
            # Another process was faster, with numbers as good as ours.
            continue


async def known_budgets(transaction: Transaction) -> tuple[StoredBudget, ...]:
    """Return the known budgets, by name."""
    found = await transaction.execute(select(budgets).order_by(budgets.c.name))
    return tuple(map(_budget, found))


async def capacity_now(
    transaction: Transaction,
    *,
    has_token: bool,
    share: float,
    interval: timedelta,
    now: datetime,
) -> int:
    """Return how many users can be checked in each interval, by the known limits and costs.

    `share` is the part of the limits that may be used, above 0 and up to 1.

    A pause of GraphQL because of a rate limit or an outage is not considered: it is short, and has
    a problem of its own.
    """
    known = {budget.name: budget.total for budget in await known_budgets(transaction)}
    requests = known.get(GITHUB_REQUESTS, 0)
    if not has_token:
        # The stored numbers may belong to a token that was removed, or set just now.
        few = min(requests or REQUESTS_WITHOUT_TOKEN, REQUESTS_WITHOUT_TOKEN)
        return capacity(HourlyLimits(few, share=share), interval)
    if requests <= REQUESTS_WITHOUT_TOKEN:
        requests = REQUESTS_WITH_TOKEN
    if token_keeps_from_graphql(await pauses.paused(transaction, pauses.SWEEPING, now)):
        return capacity(HourlyLimits(requests, share=share), interval)
    checked, swept, points = await checks.spent(transaction)
    limits = HourlyLimits(
        requests,
        points=known.get(GITHUB_POINTS, POINTS),
        share=share,
        users_a_point=swept / points if points else USERS_A_POINT,
        rest_part=max(checked - swept, 0) / checked if checked else 0.0,
    )
    return capacity(limits, interval)


def token_keeps_from_graphql(pause: Pause | None) -> bool:
    """Return whether a pause of GraphQL lasts until a new token: the present one shows no gists."""
    return pause is not None and pause.cause is PauseCause.CREDENTIAL
