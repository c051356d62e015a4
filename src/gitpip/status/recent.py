"""What the status said lately, so that pages that are opened often need not read all of it."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

from gitpip.clock import utc_now
from gitpip.status.reading import Condition, Surroundings, read
from gitpip.store.database import Database

KEPT_FOR = timedelta(seconds=2)
"""How long it is shown to others. The status takes some 45 queries, more than half of what a page
of the inbox needs, and a reader notices no two seconds."""


class RecentCondition:
    """Reads the status for all who want to know it now: one reading at a time."""

    def __init__(
        self,
        database: Database,
        surroundings: Callable[[], Surroundings],
        kept_for: timedelta = KEPT_FOR,
    ) -> None:
        self._database = database
        self._surroundings = surroundings
        self._kept_for = kept_for
        self._reading = asyncio.Lock()
        self._condition: Condition | None = None
        self._stale_at = 0.0

    async def read(self) -> Condition:
        """Every problem there was at most `kept_for` ago. Raises DatabaseUnavailable."""
        async with self._reading:
            if self._condition is None or time.monotonic() >= self._stale_at:
                async with self._database.read() as transaction:
                    self._condition = await read(transaction, self._surroundings(), utc_now())
                self._stale_at = time.monotonic() + self._kept_for.total_seconds()
            return self._condition
