"""Connections to PostgreSQL that end within a limited time if the other end is lost."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TypeVar

from psycopg import AsyncConnection, OperationalError
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import ConnectionTimeout
from psycopg.generators import cancel
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGcancelConn
from psycopg.rows import TupleRow
from psycopg.waiting import wait_async, wait_conn_async

from gitpip.errors import DatabaseUnsuitable

Answer = TypeVar("Answer")

ACKNOWLEDGEMENT_TIMEOUT = timedelta(seconds=10)
"""The longest wait for an acknowledgement, of a statement or of a keepalive on an idle
connection."""

CLOSE_TIMEOUT = timedelta(seconds=1)
"""The time that the server may take to end a connection that we closed."""

PREPARE = """
    SET idle_in_transaction_session_timeout = '10s';
    SET tcp_keepalives_idle = 30;
    SET tcp_keepalives_interval = 10;
    SET tcp_keepalives_count = 3;
    SET plan_cache_mode = force_custom_plan
"""
"""The statements to run on each new connection.

A process that is suspended in the middle of a transaction holds locks that others need; after that
time the server ends the transaction and its connection. It is not part of the start of a
connection, as PgBouncer refuses parameters there that it does not know.

The server plans each statement for its own parameters. After ten uses it would plan a prepared
statement for any parameters: with a million gists, filters for rare values then took 160 to 700 ms,
not 5 to 120 ms.
"""


ENCODING_ADVICE = (
    "use a database with the encoding UTF8, e.g. CREATE DATABASE gitpip ENCODING 'UTF8' "
    "LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
)
UNREACHABLE_ADVICE = "start it, or correct POSTGRES_CONNECTION_STRING; its user must own its schema"
POOLING = (
    "a pooler in front of PostgreSQL runs the transactions of one session on different "
    "connections, as PgBouncer does with pool_mode = transaction or statement"
)
POOLING_ADVICE = (
    "set pool_mode = session there, or connect directly to PostgreSQL: the work queue needs LISTEN "
    "and locks that last as long as a session"
)


# By default, TCP sends for a quarter of an hour to a lost peer, and listens without end. The
# parameters of an address override these.
_SECONDS = int(ACKNOWLEDGEMENT_TIMEOUT.total_seconds())
TIMES = {
    "connect_timeout": str(_SECONDS),
    "keepalives_idle": str(_SECONDS),
    "keepalives_interval": str(_SECONDS // 5),
    "keepalives_count": "5",
    "tcp_user_timeout": str(_SECONDS * 1000),
}


class WatchedConnection(AsyncConnection[TupleRow]):
    """A connection that is closed if the server does not answer in time."""

    patience: timedelta | None = ACKNOWLEDGEMENT_TIMEOUT
    """The time that a statement may take; None for no limit."""

    async def wait(
        self,
        gen: PQGen[Answer],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109 (psycopg's)
    ) -> Answer:
        """Wait for an answer; every statement does it here.

        psycopg has no limit for a statement, and lets one that is cancelled wait for the server for
        ten seconds more, though its time was over already.
        """
        limit = self.patience.total_seconds() if self.patience and timeout is None else None
        try:
            async with asyncio.timeout(limit):
                return await wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except TimeoutError as error:
            await self._give_up()
            raise OperationalError(f"no answer within {limit:g} s") from error
        except asyncio.CancelledError:
            await self._give_up()
            raise

    async def _give_up(self) -> None:
        """Close, and have the server end its work for this connection.

        Otherwise it would not notice before it answers, and meanwhile wait for locks, and hold
        some.
        """
        if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
            ending = asyncio.create_task(_end(self.pgconn.cancel_conn()))
            _endings.add(ending)
            ending.add_done_callback(_endings.discard)
        await self.close()

    async def close(self) -> None:
        """Close, and wait until the server has closed its end too, `CLOSE_TIMEOUT` at most.

        Until then it counts the connection, so that the next one would be one more than allowed.
        """
        if self.closed:
            return
        with self._copy() as copy:
            await super().close()
            copy.setblocking(False)
            with suppress(OSError):  # TimeoutError is one
                async with asyncio.timeout(CLOSE_TIMEOUT.total_seconds()):
                    while await asyncio.get_running_loop().sock_recv(copy, 65536):
                        pass

    def take_notifications(self) -> None:
        """Deliver the notifications that have arrived; for a connection with something to read."""
        self.pgconn.consume_input()
        while notification := self.pgconn.notifies():
            if self.pgconn.notify_handler:
                self.pgconn.notify_handler(notification)

    def hang_up(self) -> None:
        """End the wait for an answer at once, with an error."""
        with suppress(OSError, OperationalError), self._copy() as copy:
            copy.shutdown(socket.SHUT_RDWR)

    def _copy(self) -> socket.socket:
        """Return the same socket under a descriptor of its own: libpq closes the other one."""
        return socket.socket(fileno=os.dup(self.fileno()))


_endings: set[asyncio.Task[None]] = set()  # an event loop alone does not keep its tasks


async def _end(request: PGcancelConn) -> None:
    try:
        with suppress(OperationalError):
            request.start()
            await wait_conn_async(
                cancel(request), interval=0.1, timeout=ACKNOWLEDGEMENT_TIMEOUT.total_seconds()
            )
    finally:
        request.finish()


async def connect(
    address: str, *, patience: timedelta | None, **keywords: str
) -> WatchedConnection:
    """Connect to a libpq address, in autocommit; `keywords` override it.

    Raises OSError if no server can be reached, which includes TimeoutError, and psycopg.Error.
    """
    conninfo = make_conninfo(**TIMES | _given(address) | keywords)
    try:
        connection = await WatchedConnection.connect(conninfo, autocommit=True)
    except ConnectionTimeout as error:
        raise TimeoutError(f"no answer: {one_line(error)}") from error
    except OperationalError as error:
        if "FATAL: " in str(error):  # a server answered
            raise OperationalError(one_line(error)) from error
        raise ConnectionError(one_line(error)) from error
    try:
        await connection.execute(PREPARE)
    except BaseException:
        await connection.close()
        raise
    connection.patience = patience
    return connection


def _given(address: str) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(address).items()}


# The text that psycopg adds around libpq's lines, and libpq's question.
_AROUND = re.compile(
    r"^(Multiple connection .*|Is the server .*"
    r"|(- host: .*?hostaddr: ('[^']*'|None): )?(connection (failed|is bad): )?)"
)


def one_line(error: BaseException) -> str:
    """Return libpq's text of an error in one line, for several hosts one after the other."""
    lines = (_AROUND.sub("", line.strip()) for line in str(error).splitlines())
    return "; ".join(dict.fromkeys(line for line in lines if line))


def name_of(address: str) -> str:
    """Return the address for people, without its password."""
    keywords = _given(address)
    user = f"{keywords['user']}@" if "user" in keywords else ""
    host = keywords.get("host", "")
    port = f":{keywords['port']}" if "port" in keywords else ""
    rest = f"?service={keywords['service']}" if "service" in keywords else ""
    if host.startswith(("/", "@")):
        host, rest = "", f"?host={host}"
    return f"postgresql://{user}{host}{port}/{keywords.get('dbname', '')}{rest}"


async def check_suitable(address: str) -> None:
    """Connect, and check how the server is set up.

    Raises DatabaseUnsuitable behind a pooler that does not keep sessions apart, and if the encoding
    cannot hold every text; and psycopg.Error.
    """
    async with _connected(address) as first, _connected(address) as second:
        encoding = first.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            found = f"the database has the encoding {encoding}, which can't hold every text"
            raise DatabaseUnsuitable(found, advice=ENCODING_ADVICE)
        before = await _backend(first)
        async with second.transaction():
            # PgBouncer gives out first what was used last; here, the one that `first` had.
            pooled = await _backend(second) == before or await _backend(first) != before
        if pooled:
            raise DatabaseUnsuitable(POOLING, advice=POOLING_ADVICE)


async def _backend(connection: WatchedConnection) -> object:
    """Return the server process of a connection."""
    cursor = await connection.execute("SELECT pg_backend_pid()")
    return await cursor.fetchone()


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[WatchedConnection]:
    connection = await connect(address, patience=ACKNOWLEDGEMENT_TIMEOUT)
    # Prepared statements outlast transactions, so behind a pooler they can fail.
    connection.prepare_threshold = None
    try:
        yield connection
    finally:
        await connection.close()
