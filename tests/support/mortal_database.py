"""A process's database, at whose transactions it can die or freeze, with a clock moved by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime

from sqlalchemy import text

from gitpip.store.database import Database, Transaction, open_database

HANDS = "hands"
"""A schema whose functions stand before PostgreSQL's own: its clock can be moved by hand."""
MAKE_HANDS = f"""
    CREATE SCHEMA {HANDS};
    CREATE FUNCTION {HANDS}.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
        AS $$SELECT current_setting('{HANDS}.now')::timestamptz$$
"""
PATH = f"{HANDS}, pg_catalog, public"
SET_HANDS = text(
    f"SELECT set_config('search_path', :path, false), set_config('{HANDS}.now', :now, false)"
)


async def make_hands(database: Database) -> None:
    """Let PostgreSQL's clock be moved by hand."""
    if not database.is_sqlite:
        async with database.begin() as transaction:
            for statement in MAKE_HANDS.strip().split(";"):
                await transaction.execute(text(statement))


class Killed(BaseException):
    """What a killed process does next: nothing, not even an `except Exception`."""


class MortalDatabase(Database):
    """A process's access to its database; the process can die or freeze before and after any
    transaction.

    Between two requests to Pipedrive there is always a transaction, so these are all the moments
    at which an end makes a difference to anybody outside.
    """

    moments = 0
    dies: Callable[[], bool]
    freezes: Callable[[], bool]

    def __init__(self, url: str, clock: Callable[[], datetime]) -> None:
        """`clock` is that of PostgreSQL's server, too, where there is a schema `HANDS`."""
        super().__init__(open_database(url)._engine)
        self.server_clock = clock
        self.dead = False
        self.dies = self.freezes = lambda: False
        self.frozen = asyncio.Event()
        self.thawed = asyncio.Event()

    def in_moments(self, number: int) -> Callable[[], bool]:
        """Whether so many moments have come from now on; to be given to `dies` or `freezes`."""
        moment = self.moments + number
        return lambda: self.moments == moment

    async def _moment(self) -> None:
        self.moments += 1
        if not self.frozen.is_set() and self.freezes():
            self.frozen.set()
        if self.frozen.is_set() and not self.dead:
            try:
                await self.thawed.wait()
            except asyncio.CancelledError:
                self.dead = True  # the test is over, and nothing will thaw it
                raise
        if self.dead or self.dies():
            self.dead = True
            raise Killed

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        await self._moment()
        async with self._with_hands(super().begin()) as transaction:
            yield transaction
        await self._moment()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        await self._moment()
        async with self._with_hands(super().read()) as transaction:
            yield transaction

    @asynccontextmanager
    async def _with_hands(
        self, opened: AbstractAsyncContextManager[Transaction]
    ) -> AsyncIterator[Transaction]:
        """Set PostgreSQL's clock, unless the connection has that time already."""
        info: dict[str, str] = {}
        try:
            async with opened as transaction:
                if not self.is_sqlite and transaction.sync_connection:
                    info = transaction.sync_connection.info
                    now = self.server_clock().isoformat()
                    if info.get(HANDS) != now:
                        await transaction.execute(SET_HANDS, {"path": PATH, "now": now})
                        info[HANDS] = now
                yield transaction
        except BaseException:
            info.pop(HANDS, None)  # a transaction that is rolled back takes back what it set
            raise
