"""What the database said last about being ready, so that many probes ask it once."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

from gitpip.errors import DatabaseUnavailable
from gitpip.store.database import Database

DATABASE_TIMEOUT = timedelta(seconds=3)
"""How long the database has for its answer."""
ANSWER_KEPT_FOR = timedelta(seconds=1)
"""How long its answer is given to others. `/ready` is open to all, and an answer of 429 would let
a stranger behind the same address fail the supervisor's probes: so it is this that bounds what a
flood can cost."""


@dataclass(frozen=True)
class Answer:
    """What the database said."""

    database: bool
    """Whether it answered."""
    migrations: bool
    """Whether its schema is in place."""


class Readiness:
    """Asks the database whether it is ready, one question at a time for all who want to know."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asking = asyncio.Lock()
        self._answer = Answer(database=False, migrations=False)
        self._stale_at = 0.0

    async def ask(self) -> Answer:
        """An answer that is at most `ANSWER_KEPT_FOR` old."""
        async with self._asking:
            if time.monotonic() >= self._stale_at:
                self._answer = await self._fresh()
                self._stale_at = time.monotonic() + ANSWER_KEPT_FOR.total_seconds()
            return self._answer

    async def _fresh(self) -> Answer:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT.total_seconds()):
                return Answer(database=True, migrations=await self._database.is_migrated())
        except (DatabaseUnavailable, TimeoutError):
            return Answer(database=False, migrations=False)
