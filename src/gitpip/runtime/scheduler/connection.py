"""The scheduler's one connection to PostgreSQL, opened again whenever it is lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Self, TypeVar

import asyncpg  # type: ignore[import-untyped]  # asyncpg ships no types
from pgqueuer.core.tm import TaskManager
from pgqueuer.db import AsyncpgDriver, Driver
from pgqueuer.ports.driver import NotifyCallback

from gitpip.backoff import backoff, jittered
from gitpip.errors import SchedulerError
from gitpip.observability.logging import get_logger
from gitpip.store.postgres import PREPARE, Watched

log = get_logger()
Answer = TypeVar("Answer")

PATIENCE = timedelta(seconds=5)
FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=5)
CLOSING = timedelta(seconds=1)

# What passes: a server that restarts, hands over, or is short of something for a while.
PASSING = (
    OSError,
    TimeoutError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)
UNREACHABLE = (*PASSING, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError)


class Connection(Driver):
    """PgQueuer's driver over one asyncpg connection that outlives restarts of the server.

    Opened by its first user and closed by its last; PgQueuer's loop is one of them.

    A statement whose answer was lost is sent again: all of PgQueuer's allow that (what is enqueued
    twice meets its dedupe key; what was picked unseen goes stale and is picked again).
    LISTEN needs a connection of its own: a pooler in between must pool by session.
    """

    def __init__(self, dsn: str) -> None:
        """`dsn` is a postgresql:// address; a server silent for PATIENCE counts as gone."""
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None
        self._driver: AsyncpgDriver | None = None
        self._opening = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._listeners: list[tuple[str, NotifyCallback]] = []
        self._lost_since: float | None = None
        self._given_up = asyncio.Event()
        self._users = 0

    def use(self, dsn: str) -> None:
        """Log in from the next time on as this address of the same database says."""
        self._dsn = dsn

    @property
    def connected(self) -> bool:
        """Whether the last statement reached the server."""
        return self._driver is not None and self._lost_since is None

    def give_up(self) -> None:
        """Disconnect at once; callers that wait for an answer get SchedulerError."""
        self._given_up.set()
        if self._connection is not None:
            self._connection.terminate()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return await self._persevere(lambda driver: driver.fetch(query, *args))

    async def execute(self, query: str, *args: object) -> str:
        return await self._persevere(lambda driver: driver.execute(query, *args))

    async def transact(self, act: Callable[[Driver], Awaitable[Answer]]) -> Answer:
        """Have the statements of `act` done all or none; they are sent again together."""

        async def transacted(driver: AsyncpgDriver) -> Answer:
            connection = self._connection
            if connection is None or driver is not self._driver:
                raise asyncpg.InterfaceError("the connection was lost meanwhile")
            async with connection.transaction():
                return await act(driver)

        return await self._persevere(transacted)

    async def notify(self, channel: str, payload: str) -> None:
        await self._persevere(lambda driver: driver.notify(channel, payload))

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        await self._persevere(lambda driver: driver.add_listener(channel, callback))
        self._listeners.append((channel, callback))

    @property
    def shutdown(self) -> asyncio.Event:
        return self._given_up

    @property
    def tm(self) -> TaskManager:
        return TaskManager()

    async def __aenter__(self) -> Self:
        """Connect if nobody has yet; raises SchedulerError if that fails."""
        self._users += 1
        if self._users == 1:
            self._given_up.clear()
            try:
                await self._opened()
            except UNREACHABLE as error:
                self._users -= 1
                raise SchedulerError(f"PostgreSQL can't be reached: {describe(error)}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect if nobody is left, politely if the server answers."""
        self._users -= 1
        if self._users:
            return
        self._given_up.set()
        connection, self._connection, self._driver = self._connection, None, None
        self._listeners.clear()
        self._lost_since = None
        if connection is not None:
            try:
                await connection.close(timeout=CLOSING.total_seconds())
            except UNREACHABLE:
                connection.terminate()

    async def _persevere(self, ask: Callable[[AsyncpgDriver], Awaitable[Answer]]) -> Answer:
        for failures in count(1):
            driver = None
            try:
                driver = await self._opened()
                # In turn, so that no statement gets into another one's transaction.
                async with self._turn:
                    answer = await ask(driver)
            except Exception as error:
                if not self._passes(driver, error):
                    raise
                self._lose(driver, error)
                await self._pause(failures, error)
            else:
                self._found()
                return answer
        raise AssertionError("unreachable")

    async def _opened(self) -> AsyncpgDriver:
        async with self._opening:
            if self._given_up.is_set():
                raise SchedulerError("The scheduler has stopped.")
            if self._driver is None:
                connection = await asyncpg.connect(
                    self._dsn,
                    timeout=PATIENCE.total_seconds(),
                    command_timeout=PATIENCE.total_seconds(),
                    connection_class=Watched,
                    server_settings={"application_name": "gitpip engine"},
                )
                driver = AsyncpgDriver(connection)
                try:
                    await connection.execute(PREPARE)
                    for channel, callback in self._listeners:
                        await driver.add_listener(channel, callback)
                except BaseException:
                    connection.terminate()
                    raise
                self._connection, self._driver = connection, driver
            return self._driver

    def _passes(self, driver: AsyncpgDriver | None, error: Exception) -> bool:
        """Whether to ask again: the server or the connection is at fault, not the statement."""
        if driver is None:
            return isinstance(error, UNREACHABLE)
        if isinstance(error, asyncpg.InterfaceError):
            connection = self._connection
            return driver is not self._driver or connection is None or bool(connection.is_closed())
        return isinstance(error, PASSING)

    def _lose(self, driver: AsyncpgDriver | None, error: Exception) -> None:
        if driver is self._driver and self._connection is not None:
            self._connection.terminate()
            self._connection = self._driver = None
        if self._lost_since is None and not self._given_up.is_set():
            self._lost_since = time.monotonic()
            log.warning("engine.disconnected", error=describe(error))

    def _found(self) -> None:
        if self._lost_since is not None:
            log.info("engine.reconnected", seconds=round(time.monotonic() - self._lost_since, 3))
            self._lost_since = None

    async def _pause(self, failures: int, error: Exception) -> None:
        wait = jittered(backoff(failures, FIRST_PAUSE, LONGEST_PAUSE))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._given_up.wait(), wait.total_seconds())
        if self._given_up.is_set():
            raise SchedulerError("The scheduler stopped while PostgreSQL was away.") from error


@contextmanager
def refusals_explained(wish: str) -> Iterator[None]:
    """Turn what PostgreSQL answers to a wrong or forbidden statement into an SchedulerError."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SchedulerError(f"{wish}: PostgreSQL refuses: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """An error in one line, also where it has no message."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
