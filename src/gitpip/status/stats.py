"""The numbers in the rows, which are the same for every process and read now and then."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitpip.clock import utc_now
from gitpip.errors import DatabaseUnavailable
from gitpip.model import PublicationState, UserState
from gitpip.status.problem import ProblemKind
from gitpip.status.reading import ProcessFacts, read
from gitpip.store.database import Database
from gitpip.store.gists import public_feed
from gitpip.store.gists.public_feed import PublicFeedState
from gitpip.store.publications import publications
from gitpip.store.status import checks
from gitpip.store.status.budgets import StoredBudget, known_budgets
from gitpip.store.users import schedule, users
from gitpip.store.users.schedule import Freshness

SHORTEST_CACHE = timedelta(seconds=5)
SHARE = 0.05
"""The largest part of the time in which the database is asked for these numbers."""
READING_LIMIT = timedelta(seconds=5)


@dataclass(frozen=True)
class Stats:
    """The numbers in the rows at one time. Times are UTC."""

    at: datetime
    users: Mapping[UserState, int]
    freshness: Freshness
    publications: Mapping[PublicationState, int]
    next_due: datetime | None
    """The time at which the next publication is due, or None if none is due or a person paused
    publishing."""
    paused: frozenset[str]
    problems: Mapping[ProblemKind, int]
    """The number of users, files or parts with each kind of problem."""
    instances: int
    last_check: datetime | None
    public_feed: PublicFeedState | None
    budgets: Sequence[StoredBudget]


class StatsReader:
    """Reads the numbers, but not too often for the database."""

    def __init__(self, database: Database, process: Callable[[], ProcessFacts]) -> None:
        self._database = database
        self._process = process
        self._reading = asyncio.Lock()
        self._stats: Stats | None = None
        self._stale_at = 0.0

    async def read(self) -> Stats | None:
        """Return the latest numbers, or None if the database does not answer."""
        async with self._reading:
            started = time.monotonic()
            if started >= self._stale_at:
                self._stats = await self._fresh()
                took = time.monotonic() - started
                self._stale_at = started + max(SHORTEST_CACHE.total_seconds(), took / SHARE)
            return self._stats

    async def _fresh(self) -> Stats | None:
        now = utc_now()
        try:
            async with (
                asyncio.timeout(READING_LIMIT.total_seconds()),
                self._database.read() as transaction,
            ):
                condition = await read(transaction, self._process(), now)
                due = await publications.next_due(transaction, condition.mode)
                return Stats(
                    at=now,
                    users=await users.count(transaction),
                    freshness=await schedule.freshness(transaction),
                    publications=await publications.count(transaction),
                    # A pause of gitpip's own is a trouble that an alert should report.
                    next_due=None if condition.persons_pause else due,
                    paused=frozenset(condition.pauses),
                    problems={problem.kind: problem.count for problem in condition.problems},
                    instances=len(condition.instances),
                    last_check=await checks.last_end(transaction),
                    public_feed=await public_feed.get(transaction),
                    budgets=await known_budgets(transaction),
                )
        except (DatabaseUnavailable, TimeoutError):
            return None
