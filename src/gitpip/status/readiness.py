"""What the database said last about being ready, so that many probes ask it once."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from gitpip.errors import DatabaseUnavailable
from gitpip.status.recent import Recent
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
        self._answer = Recent(self._fresh, ANSWER_KEPT_FOR)

    async def ask(self) -> Answer:
        """An answer that is at most `ANSWER_KEPT_FOR` old."""
        return await self._answer.read()

    async def _fresh(self) -> Answer:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT.total_seconds()):
                return Answer(database=True, migrations=await self._database.is_migrated())
        except (DatabaseUnavailable, TimeoutError):
            return Answer(database=False, migrations=False)
