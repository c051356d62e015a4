"""GitHub's limits, shared by all processes of one database.

A process that replaces another one must not start with a whole minute's budget, nor send a request
before the time that GitHub gave the other one. In one run without this, three processes that were
killed now and then exceeded the secondary limit ten times.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from gitpip.store.database import Database
from gitpip.store.status import rate_limits
from gitpip.store.status.rate_limits import RateLimit, Reservation


class SharedLimits:
    """The limits of one credential; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def reserve(
        self, limit: RateLimit, *, wanted: int, most: int, window: timedelta
    ) -> Reservation:
        """Reserve requests among all processes; see `store.status.rate_limits.reserve`."""
        async with self._database.begin() as transaction:
            return await rate_limits.reserve(
                transaction,
                limit,
                wanted=wanted,
                most=most,
                window=window,
                now=self._now(),
            )

    async def note_wait(self, limit: RateLimit, *, until: datetime | None, refusals: int) -> None:
        """Tell all processes until when GitHub wants no request."""
        async with self._database.begin() as transaction:
            await rate_limits.note_wait(
                transaction,
                limit,
                until=until,
                refusals=refusals,
                now=self._now(),
            )
