"""The signs of life of a process: a row for other processes, and problems for its supervisor."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from gitpip.background import in_background
from gitpip.clock import utc_now
from gitpip.errors import DatabaseUnavailable
from gitpip.model import Part
from gitpip.observability.logging import get_logger
from gitpip.store.database import Database
from gitpip.store.status import instances
from gitpip.version import VERSION

STOP_TIMEOUT = timedelta(seconds=5)

log = get_logger()


class Heartbeat:
    """Renews this process's row, and remembers when that last worked."""

    task: asyncio.Task[None]
    """The task that renews it."""

    def __init__(
        self,
        database: Database,
        part: Part,
        others: Callable[[], Sequence[str]] = tuple,
        clock_ahead: Callable[[], timedelta] = timedelta,
        tokens: Callable[[], instances.Tokens | None] = lambda: None,
    ) -> None:
        """`others` returns what else is wrong in this process. The row shows it to all others.

        The row also shows how far this machine's clock is ahead of GitHub's, and which tokens this
        process has. A command in a shell without them must not judge by its own.
        """
        self._database = database
        self._part = part
        self._others = others
        self._clock_ahead = clock_ahead
        self._tokens = tokens
        self.instance_id = secrets.token_hex(8)
        self._shown_at = time.monotonic()

    def health_problems(self, patience: timedelta) -> tuple[str, ...]:
        """Return a sentence if the database could not be written for longer than `patience`."""
        silence = time.monotonic() - self._shown_at
        if silence <= patience.total_seconds():
            return ()
        return (f"the database could not be written for {silence:.0f} s",)

    async def go_on(self) -> None:
        """Renew the row again and again."""
        while True:
            await asyncio.sleep(instances.HEARTBEAT.total_seconds())
            await self.show()

    async def show(self) -> None:
        """Write the row once, if the database can be written."""
        try:
            async with self._database.begin() as transaction:
                beat = instances.Beat(
                    self.instance_id,
                    VERSION,
                    self._part,
                    self._others(),
                    self._clock_ahead(),
                    self._tokens(),
                )
                await instances.record_heartbeat(transaction, beat, utc_now())
            self._shown_at = time.monotonic()
        except DatabaseUnavailable as error:
            log.warning("database.unavailable", reason=str(error))

    async def end(self) -> None:
        """Delete the row if the database can be written, whatever else went wrong before."""
        try:
            async with (
                asyncio.timeout(STOP_TIMEOUT.total_seconds()),
                self._database.begin() as transaction,
            ):
                await instances.end_heartbeat(transaction, self.instance_id)
        except (DatabaseUnavailable, TimeoutError):
            return
        except Exception as error:  # such as a table that is gone: the process ends all the same
            log.warning("heartbeat.row_left", reason=str(error))


@asynccontextmanager
async def heartbeat(
    database: Database,
    part: Part = Part.ALL,
    others: Callable[[], Sequence[str]] = tuple,
    clock_ahead: Callable[[], timedelta] = timedelta,
    tokens: Callable[[], instances.Tokens | None] = lambda: None,
) -> AsyncIterator[Heartbeat]:
    """Show signs of life until the block ends; see `Heartbeat` for what the functions return."""
    life = Heartbeat(database, part, others, clock_ahead, tokens)
    # Before the start is announced: a started process always has its row.
    await life.show()
    try:
        async with in_background(life.go_on()) as life.task:
            yield life
    finally:
        await life.end()
