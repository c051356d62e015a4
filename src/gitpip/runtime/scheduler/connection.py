"""The scheduler's one connection to PostgreSQL, which reconnects whenever it is lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Self, TypeVar

import psycopg
from pgqueuer.core.tm import TaskManager
from pgqueuer.db import Driver, PsycopgDriver
from pgqueuer.ports.driver import NotifyCallback
from psycopg.sql import SQL, Identifier

from gitpip.backoff import backoff, jittered
from gitpip.errors import SchedulerError
from gitpip.observability.logging import get_logger
from gitpip.store.postgres import WatchedConnection, connect

log = get_logger()
Answer = TypeVar("Answer")

STATEMENT_TIMEOUT = timedelta(seconds=5)
"""The time after which a server that does not answer a statement counts as lost."""
FIRST_RECONNECT_PAUSE = timedelta(milliseconds=100)
LONGEST_RECONNECT_PAUSE = timedelta(seconds=5)

# Temporary errors: a server that restarts, hands over, or lacks something for a while.
PASSING = ("08", "53", "57", "25006")
UNREACHABLE = (OSError, TimeoutError, psycopg.Error, ValueError)


class SchedulerConnection(Driver):
    """PgQueuer's driver over one psycopg connection that outlives restarts of the server.

    Opened by its first user and closed by its last; PgQueuer's loop is one of them.

    A statement whose answer was lost is sent again. All of PgQueuer's allow that: a job that is
    enqueued twice meets its dedupe key, and a job picked by a lost answer goes stale and is picked
    again. LISTEN needs a connection of its own: a pooler in between must pool by session.

    PgQueuer's own driver holds the connection's lock while it listens, up to a second at a time
    (`PsycopgDriver.watch_notifies` of PgQueuer 1.6), and each statement would wait for that. So it
    is used for statements, and notifications are read here, when the idle connection has some.
    """

    def __init__(self, dsn: str) -> None:
        """`dsn` is an address for libpq; see STATEMENT_TIMEOUT."""
        self._dsn = dsn
        self._connection: WatchedConnection | None = None
        self._turn = asyncio.Lock()
        self._listeners: list[tuple[str, NotifyCallback]] = []
        self._reconnecting: asyncio.Task[None] | None = None
        self._lost_since: float | None = None
        self._given_up = asyncio.Event()
        self._users = 0

    def set_address(self, dsn: str) -> None:
        """Use this address of the same database from the next login on."""
        self._dsn = dsn

    @property
    def connected(self) -> bool:
        """Whether the last statement reached the server."""
        return self._connection is not None and self._lost_since is None

    def give_up(self) -> None:
        """Disconnect at once. Callers that wait for an answer get SchedulerError."""
        self._given_up.set()
        if self._connection is not None:
            self._connection.hang_up()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return await self._with_retries(
            lambda connection: PsycopgDriver(connection).fetch(query, *args)
        )

    async def execute(self, query: str, *args: object) -> str:
        return await self._with_retries(
            lambda connection: PsycopgDriver(connection).execute(query, *args)
        )

    async def transact(self, act: Callable[[Driver], Awaitable[Answer]]) -> Answer:
        """Execute all or none of the statements of `act`, which are repeated together."""

        async def transacted(connection: WatchedConnection) -> Answer:
            async with connection.transaction():
                return await act(PsycopgDriver(connection))

        return await self._with_retries(transacted)

    async def notify(self, channel: str, payload: str) -> None:
        await self._with_retries(
            lambda connection: PsycopgDriver(connection).notify(channel, payload)
        )

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        await self._with_retries(lambda connection: _listen(connection, channel))
        self._listeners.append((channel, callback))

    @property
    def shutdown(self) -> asyncio.Event:
        return self._given_up

    @property
    def tm(self) -> TaskManager:
        return TaskManager()

    async def __aenter__(self) -> Self:
        """Connect if there is no connection yet; raises SchedulerError if that fails."""
        self._users += 1
        if self._users == 1:
            self._given_up.clear()
            try:
                async with self._turn:
                    await self._opened()
                    self._watch()
            except UNREACHABLE as error:
                self._users -= 1
                raise SchedulerError(f"PostgreSQL can't be reached: {describe(error)}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect if there is no other user."""
        self._users -= 1
        if self._users:
            return
        self._given_up.set()
        if self._connection is not None and self._turn.locked():
            self._connection.hang_up()  # what waits for an answer fails at once
        async with self._turn:
            self._listeners.clear()
            self._lost_since = None
            self._close()

    async def _with_retries(self, ask: Callable[[WatchedConnection], Awaitable[Answer]]) -> Answer:
        for failures in count(1):
            # One after another, so that no statement gets into the transaction of another one.
            async with self._turn:
                connection = None
                try:
                    connection = await self._opened()
                    answer = await ask(connection)
                except Exception as error:
                    if not _passes(error, connection):
                        raise
                    self._disconnect(error)
                    cause = error
                else:
                    self._note_connected()
                    return answer
                finally:
                    self._watch()
            await self._pause(failures, cause)
        raise AssertionError("unreachable")

    async def _opened(self) -> WatchedConnection:
        """Yield the connection for one statement. Messages of the server wait until it is done."""
        if self._given_up.is_set():
            raise SchedulerError("The scheduler has stopped.")
        if self._connection is not None and self._connection.closed:
            self._connection = None  # with a statement that was cancelled
        if self._connection is None:
            connection = await connect(
                self._dsn, patience=STATEMENT_TIMEOUT, application_name="gitpip engine"
            )
            try:
                connection.add_notify_handler(self._tell)
                for channel in {channel for channel, _ in self._listeners}:
                    await _listen(connection, channel)
            except BaseException:
                await connection.close()
                raise
            self._connection = connection
        self._unwatch()
        return self._connection

    def _watch(self) -> None:
        """Read what the server sends on its own. While a statement runs, psycopg does that."""
        if self._connection is not None and not self._connection.closed:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._connection.fileno(), self._read)

    def _unwatch(self) -> None:
        if self._connection is not None and not self._connection.closed:
            asyncio.get_running_loop().remove_reader(self._connection.fileno())

    def _read(self) -> None:
        self._unwatch()
        if self._connection is None:
            return
        try:
            self._connection.take_notifications()
        except psycopg.Error as error:
            self._disconnect(error)
            self._reconnecting = asyncio.create_task(self._reconnect())
        self._watch()

    async def _reconnect(self) -> None:
        """Listen again, even if no statement is due for some time."""
        with suppress(SchedulerError, psycopg.Error):
            await self.execute("SELECT 1")

    def _tell(self, notice: psycopg.Notify) -> None:
        for channel, callback in list(self._listeners):
            if channel == notice.channel:
                callback(notice.payload)

    def _close(self) -> None:
        self._unwatch()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.pgconn.finish()

    def _disconnect(self, error: Exception) -> None:
        self._close()
        if self._lost_since is None and not self._given_up.is_set():
            self._lost_since = time.monotonic()
            log.warning("engine.disconnected", error=describe(error))

    def _note_connected(self) -> None:
        if self._lost_since is not None:
            log.info("engine.reconnected", seconds=round(time.monotonic() - self._lost_since, 3))
            self._lost_since = None

    async def _pause(self, failures: int, error: Exception) -> None:
        wait = jittered(backoff(failures, FIRST_RECONNECT_PAUSE, LONGEST_RECONNECT_PAUSE))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._given_up.wait(), wait.total_seconds())
        if self._given_up.is_set():
            raise SchedulerError("The scheduler stopped while PostgreSQL was away.") from error


async def _listen(connection: WatchedConnection, channel: str) -> None:
    await connection.execute(SQL("LISTEN {}").format(Identifier(channel)))


def _passes(error: Exception, connection: WatchedConnection | None) -> bool:
    """Return whether to ask again, as the server or connection is at fault, not the statement."""
    if connection is None:
        return isinstance(error, UNREACHABLE)
    if not isinstance(error, psycopg.Error):
        return isinstance(error, OSError | TimeoutError)
    return connection.closed or (error.sqlstate or "").startswith(PASSING)


@contextmanager
def refusals_explained(wish: str) -> Iterator[None]:
    """Turn PostgreSQL's answer to a wrong or forbidden statement into a SchedulerError."""
    try:
        yield
    except psycopg.Error as error:
        raise SchedulerError(f"{wish}: PostgreSQL refuses: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """Return an error in one line, even if it has no message."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
