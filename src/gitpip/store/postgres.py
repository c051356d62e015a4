"""A connection to PostgreSQL of which neither end waits without end for another that is gone."""

import socket
from asyncio import Transport
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg  # type: ignore[import-untyped]  # asyncpg ships no types

from gitpip.errors import DatabaseUnsuitable

SILENCE = timedelta(seconds=10)
"""What is sent must be acknowledged this soon, and so must a sign of life on an idle connection."""

PREPARE = """
    SET idle_in_transaction_session_timeout = '10s';
    SET tcp_keepalives_idle = 30;
    SET tcp_keepalives_interval = 10;
    SET tcp_keepalives_count = 3
"""
"""To be run on each new connection.

A process that is frozen in the middle of a transaction holds locks that others need; after that
time the server ends the transaction and its connection. Not part of the start of a connection, as
PgBouncer refuses parameters there that it does not know.
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


async def check_suitable(parameters: Mapping[str, object]) -> None:
    """Connect as `asyncpg.connect` does with these parameters, and look at how it is set up.

    Raises DatabaseUnsuitable behind a pooler that does not keep sessions apart, and when the
    encoding can't hold every text; and whatever asyncpg raises.
    """
    async with _connected(parameters) as first, _connected(parameters) as second:
        encoding = first.get_settings().server_encoding
        if encoding != "UTF8":
            found = f"the database has the encoding {encoding}, which can't hold every text"
            raise DatabaseUnsuitable(found, advice=ENCODING_ADVICE)
        before = await _backend(first)
        async with second.transaction():
            # PgBouncer hands out first what was used last; here, the one that `first` had.
            pooled = await second.fetchval(BACKEND) == before or await _backend(first) != before
        if pooled:
            raise DatabaseUnsuitable(POOLING, advice=POOLING_ADVICE)


BACKEND = "SELECT pg_backend_pid()"


async def _backend(connection: asyncpg.Connection) -> object:
    """The server process of a connection; the statement's parts need a transaction to stay one."""
    async with connection.transaction():
        return await connection.fetchval(BACKEND)


@asynccontextmanager
async def _connected(parameters: Mapping[str, object]) -> AsyncIterator[asyncpg.Connection]:
    seconds = SILENCE.total_seconds()
    connection = await asyncpg.connect(
        **{
            **parameters,
            "timeout": seconds,
            "command_timeout": seconds,
            # Prepared statements outlast transactions, so behind a pooler they can fail.
            "statement_cache_size": 0,
            "connection_class": Watched,
        }
    )
    try:
        yield connection
    finally:
        connection.terminate()


class Watched(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """An asyncpg connection that the system ends when the other host is silent; a class to name.

    Left alone, TCP sends for a quarter of an hour to a peer that is gone, and listens without end.
    """

    def __init__(self, protocol: object, transport: Transport, *rest: object) -> None:
        super().__init__(protocol, transport, *rest)
        _watch(transport.get_extra_info("socket"))


def _watch(connection: socket.socket) -> None:
    if connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    seconds = int(SILENCE.total_seconds())
    for name, value in (
        ("TCP_KEEPIDLE", seconds),
        ("TCP_KEEPINTVL", seconds // 5),
        ("TCP_KEEPCNT", 5),
        ("TCP_USER_TIMEOUT", seconds * 1000),
    ):
        if option := getattr(socket, name, None):  # each system knows some of them
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
