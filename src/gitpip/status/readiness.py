"""The last answer of the database about being ready, so that many probes ask it once."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from gitpip.errors import DatabaseUnavailable
from gitpip.status.timed_cache import TimedCache
from gitpip.store.database import Database

DATABASE_TIMEOUT = timedelta(seconds=3)
"""The time that the database has for its answer."""
ANSWER_KEPT_FOR = timedelta(seconds=1)
"""The time for which an answer is reused. `/ready` is open to all, and an answer of 429 would let a
stranger behind the same address fail the supervisor's probes. So this time limits the cost of a
flood."""


@dataclass(frozen=True)
class DatabaseAnswer:
    """The answer of the database."""

    database: bool
    """Whether the database answered."""
    migrations: bool
    """Whether its schema is in place."""


class Readiness:
    """Asks the database whether it is ready, one question at a time for all callers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._answer = TimedCache(self._fresh, ANSWER_KEPT_FOR)

    async def ask(self) -> DatabaseAnswer:
        """Return an answer that is at most `ANSWER_KEPT_FOR` old."""
        return await self._answer.read()

    async def _fresh(self) -> DatabaseAnswer:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT.total_seconds()):
                return DatabaseAnswer(database=True, migrations=await self._database.is_migrated())
        except (DatabaseUnavailable, TimeoutError):
            return DatabaseAnswer(database=False, migrations=False)
