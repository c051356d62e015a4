"""A connection to SQLite that ends once, and asks its thread once for each statement."""

import asyncio
import hashlib
import re
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias, cast

import aiosqlite

_Rows: TypeAlias = list[sqlite3.Row]

ROWS_AT_ONCE = 64
"""How many rows aiosqlite hands over at a time by default."""


def connect(database: str, *, timeout: float, check_same_thread: bool) -> "Connection":
    """A connection that is opened when it is awaited; the arguments are those of sqlite3."""
    connector = partial(_open, database, timeout, check_same_thread)
    return Connection(connector, ROWS_AT_ONCE)


def _open(database: str, timeout: float, check_same_thread: bool) -> sqlite3.Connection:
    """A connection with the functions of PostgreSQL that our queries use."""
    opened = sqlite3.connect(database, timeout=timeout, check_same_thread=check_same_thread)
    opened.create_function("regexp_replace", 4, _regexp_replace, deterministic=True)
    opened.create_function("md5", 1, _md5, deterministic=True)
    return opened


def _regexp_replace(text: str | None, pattern: str, new: str, flags: str) -> str | None:
    """Replace what matches: all of it with the flag `g`, else the first; NULL stays NULL."""
    return None if text is None else re.sub(pattern, new, text, count=0 if "g" in flags else 1)


def _md5(text: str | None) -> str | None:
    if text is None:
        return None
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Connection(aiosqlite.Connection):
    """Closes in its thread, after all that was asked before, and ends the thread.

    Where a transaction is cancelled, SQLAlchemy 2.1 closes its connection in a task of its own.
    Cancelled once more meanwhile, it also stops the connection's thread. Then aiosqlite 0.22 waits
    without end for an answer of the thread that has ended, and can leave its connection open, with
    the lock that every other writer waits for.
    """

    _end: asyncio.Future[None] | None = None

    def __init__(self, connector: partial[sqlite3.Connection], rows_at_once: int) -> None:
        super().__init__(connector, rows_at_once)
        self._thread.daemon = True

    def stop(self) -> asyncio.Future[None] | None:
        """Begin to close; gives what is done when it is closed, None without an event loop."""
        if self._end is None:
            self._end = super().stop()
        return self._end

    def cursor(self) -> "Cursor":  # type: ignore[override]  # SQLAlchemy only enters it
        return Cursor(self)

    async def close(self) -> None:
        """Close, unless it is closed or was never opened."""
        if self._end is None and self._connection is None:
            return
        if (end := self.stop()) is not None:
            await asyncio.wait([end])


class Cursor(aiosqlite.Cursor):
    """Executes a statement, fetches its rows and ends it in one visit to the connection's thread.

    aiosqlite goes there for each of these, and to make the cursor. Each visit wakes two threads,
    which takes longer than most of our statements.
    """

    def __init__(self, connection: Connection) -> None:
        # Replaced by the first statement: what is made in another thread can't be used in its own.
        super().__init__(connection, cast("sqlite3.Cursor", None))
        self._rows: _Rows = []

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> "Cursor":  # type: ignore[override]
        """Execute, and keep all rows for `fetchall`."""
        self._rows = await self._execute(self._execute_whole, sql, parameters)  # type: ignore[no-untyped-call]
        return self

    async def executemany(self, sql: str, parameters: Sequence[Any]) -> "Cursor":  # type: ignore[override]
        """Execute once for each of the parameters; there are no rows."""
        self._rows = await self._execute(self._execute_many, sql, parameters)  # type: ignore[no-untyped-call]
        return self

    async def fetchall(self) -> _Rows:
        """All rows of the statement that was executed last."""
        return self._rows

    async def close(self) -> None:
        """Nothing is left to be done: a statement ends with its last row."""

    def _execute_whole(self, sql: str, parameters: Sequence[Any]) -> _Rows:
        self._cursor = self._conn._conn.execute(sql, parameters)
        return self._cursor.fetchall()

    def _execute_many(self, sql: str, parameters: Sequence[Any]) -> _Rows:
        self._cursor = self._conn._conn.executemany(sql, parameters)
        return []
