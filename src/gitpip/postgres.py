"""A connection to PostgreSQL of which neither end waits for ever for another that is gone."""

import socket
from asyncio import Transport
from datetime import timedelta

import asyncpg  # type: ignore[import-untyped]  # asyncpg ships no types

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


class Watched(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """An asyncpg connection that the system ends when the other host is silent; a class to name.

    By itself TCP sends for a quarter of an hour into the void, and listens to it for ever.
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
