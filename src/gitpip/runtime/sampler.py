"""The vendors' budgets and the length of the queue, which a working process keeps as rows.

It also tells the ends of pauses whose time has passed, which no other transaction does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from gitpip.background import in_background
from gitpip.clock import utc_now
from gitpip.errors import DatabaseUnavailable
from gitpip.observability.logging import get_logger
from gitpip.publish.destination import Destination
from gitpip.store import events
from gitpip.store.database import Database
from gitpip.store.status import budgets, pauses, publishing_pause, samples
from gitpip.store.status.budgets import StoredBudget
from gitpip.store.users import imports
from gitpip.watch.github.client import GitHub

GAUGES_KEPT_EVERY = timedelta(seconds=5)

log = get_logger()


@asynccontextmanager
async def sampling(
    database: Database, github: GitHub, destination: Destination
) -> AsyncIterator[None]:
    """Keep the gauges until the block ends."""
    async with in_background(_keep(database, github, destination)):
        yield


async def _keep(database: Database, github: GitHub, destination: Destination) -> None:
    kept: dict[str, tuple[int, int]] = {}
    while True:
        now = utc_now()
        changed = [
            budget
            for budget in _heard(github, destination, now)
            if kept.get(budget.name) != (budget.total, budget.remaining)
        ]
        try:
            async with database.read() as transaction:
                due = await samples.sample_is_due(transaction, now)
                own_over = await pauses.any_over(transaction, now)
                persons_over = await publishing_pause.any_over(transaction, now)
            if changed or due or own_over or persons_over:
                async with database.begin() as transaction:
                    await budgets.note_budgets(transaction, changed)
                    await pauses.tell_over(transaction, now)
                    await publishing_pause.tell_over(transaction, now)
                    if due:
                        await samples.take_sample(transaction, now)
                        await events.prune(transaction, now)
                        await imports.drop_old_files(transaction, now)
            kept |= {budget.name: (budget.total, budget.remaining) for budget in changed}
        except DatabaseUnavailable as error:
            log.warning("database.unavailable", reason=str(error))
        await asyncio.sleep(GAUGES_KEPT_EVERY.total_seconds())


def _heard(github: GitHub, destination: Destination, now: datetime) -> list[StoredBudget]:
    heard = [
        StoredBudget(
            name=(
                budgets.GITHUB_POINTS if budget.resource == "graphql" else budgets.GITHUB_REQUESTS
            ),
            total=budget.limit,
            remaining=budget.remaining,
            resets_at=budget.resets_at,
            seen_at=now,
        )
        for budget in github.budgets()
    ]
    if destination.daily_remaining is not None and destination.daily_limit:
        heard.append(
            StoredBudget(
                name="Pipedrive tokens",
                total=destination.daily_limit,
                remaining=destination.daily_remaining,
                resets_at=None,
                seen_at=now,
            )
        )
    return heard
