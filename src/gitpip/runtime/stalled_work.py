"""Stalls: work that waits and is not done, though nothing outside delays it.

The scheduler reports runs that hang or fail. This reports what it can't see: runs that end well and
get nothing done, work without a notification, and pauses of gitpip's own making.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitpip.background import in_background
from gitpip.clock import utc_now
from gitpip.errors import DatabaseUnavailable
from gitpip.store.database import Database
from gitpip.store.publications.permission import OverallMode, Present
from gitpip.store.status import workload
from gitpip.store.status.workload import Work

STALLS_CHECKED_EVERY = timedelta(seconds=5)


@dataclass
class _Part:
    name: str
    what_waits: str
    work: Work | None = None
    still_since: float = 0.0

    def see(self, work: Work | None, at: float) -> None:
        """Take in what the rows say, or None if they could not be read."""
        before = self.work
        stands_still = before and work and before.waits and work.waits and before.mark == work.mark
        if not stands_still:
            self.still_since = at
        self.work = work


class Stalls:
    """Reads the rows now and then, and tells since when nothing moved.

    `publishes` returns whether there is a token to publish with, and `mode` reads the publishing
    mode of everybody. `monotonic` returns seconds that never go back, `now` the present time (UTC).
    """

    def __init__(
        self,
        database: Database,
        *,
        publishes: Callable[[], bool],
        mode: OverallMode,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._publishes = publishes
        self._mode = mode
        self._monotonic = monotonic
        self._now = now
        self._watching = _Part("watching", "users are due")
        self._publishing = _Part("publishing", "files wait to be sent")

    def health_problems(self, patience: timedelta) -> tuple[str, ...]:
        """Return a sentence for each part that stood still for longer than `patience`.

        While a process has claimed work, it may be busy with a large piece of it; its scheduler
        reports if it hangs.
        """
        at = self._monotonic()
        return tuple(
            f"{part.name} has made no progress for {at - part.still_since:.0f} s, "
            f"though {part.what_waits}"
            for part in (self._watching, self._publishing)
            if part.work
            and part.work.waits
            and not part.work.claimed
            and at - part.still_since > patience.total_seconds()
        )

    async def look(self) -> None:
        """Read the rows once."""
        watching = publishing = None
        try:
            async with self._database.read() as transaction:
                now = self._now()
                watching = await workload.of_watching(transaction, now)
                if self._publishes():
                    present = Present(now, await self._mode(transaction))
                    publishing = await workload.of_publishing(transaction, present)
        except DatabaseUnavailable:
            pass  # the heartbeat reports it
        at = self._monotonic()
        self._watching.see(watching, at)
        self._publishing.see(publishing, at)

    async def keep_looking(self) -> None:
        """Read the rows until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(STALLS_CHECKED_EVERY.total_seconds())


@asynccontextmanager
async def watching_stalls(
    database: Database, *, publishes: Callable[[], bool], mode: OverallMode, works: bool
) -> AsyncIterator[Stalls]:
    """Watch for stalls until the block ends. Does nothing in a process that does not work."""
    stalls = Stalls(database, publishes=publishes, mode=mode)
    if not works:
        yield stalls
        return
    async with in_background(stalls.keep_looking()):
        yield stalls
