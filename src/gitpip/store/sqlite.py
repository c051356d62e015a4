"""SQLite: its file, its transactions, and a connection that uses its thread once per statement."""

import asyncio
import contextlib
import hashlib
import os
import re
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import aiosqlite
import sqlalchemy
from sqlalchemy import exc
from sqlalchemy.pool import ConnectionPoolEntry

from gitpip.errors import DatabaseUnavailable

_Rows: TypeAlias = list[sqlite3.Row]

ROWS_AT_ONCE = 64
"""The number of rows that aiosqlite transfers at a time by default."""


def connect(database: str, *, timeout: float, check_same_thread: bool) -> "SQLiteConnection":
    """Return a connection that opens when it is awaited; the arguments are those of sqlite3."""
    connector = partial(_open, database, timeout, check_same_thread)
    return SQLiteConnection(connector, ROWS_AT_ONCE)


def _open(database: str, timeout: float, check_same_thread: bool) -> sqlite3.Connection:
    """Open a connection with the functions of PostgreSQL that our queries use."""
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


class SQLiteConnection(aiosqlite.Connection):
    """A connection that closes in its thread, after all earlier requests, and ends the thread.

    If a transaction is cancelled, SQLAlchemy 2.1 closes its connection in a task of its own. If
    that is cancelled as well, it also stops the connection's thread. Then aiosqlite 0.22 waits
    without end for an answer of the ended thread, and can leave its connection open, with the lock
    that every other writer waits for.
    """

    _end: asyncio.Future[None] | None = None

    def __init__(self, connector: partial[sqlite3.Connection], rows_at_once: int) -> None:
        super().__init__(connector, rows_at_once)
        self._thread.daemon = True

    def stop(self) -> asyncio.Future[None] | None:
        """Begin to close; return a future of the end, or None without an event loop."""
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
    """A cursor that executes a statement, fetches its rows and ends it in one visit to the thread.

    aiosqlite goes there for each of these, and to make the cursor. Each visit wakes two threads,
    which takes longer than most of our statements.
    """

    def __init__(self, connection: SQLiteConnection) -> None:
        # Replaced by the first statement: an object of another thread cannot be used in the
        # connection's.
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
        """Return all rows of the statement that was executed last."""
        return self._rows

    async def close(self) -> None:
        """Do nothing: a statement ends with its last row."""

    def _execute_whole(self, sql: str, parameters: Sequence[Any]) -> _Rows:
        self._cursor = self._conn._conn.execute(sql, parameters)
        return self._cursor.fetchall()

    def _execute_many(self, sql: str, parameters: Sequence[Any]) -> _Rows:
        self._cursor = self._conn._conn.executemany(sql, parameters)
        return []


class _Cursor(Protocol):
    def execute(self, statement: str) -> object: ...
    def close(self) -> None: ...


class _DBAPIConnection(Protocol):
    isolation_level: str | None

    def cursor(self) -> _Cursor: ...


def prepare_file(path: Path) -> None:
    """Create the file of a database if it is missing. Raises DatabaseUnavailable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DatabaseUnavailable(
            f"the folder {path.parent} can't be created: {error.strerror}",
            advice="set GITPIP_DATA_DIR to another folder",
        ) from error
    # Path.exists would raise if this user may not read the folder.
    there = os.access(path, os.F_OK)
    if there and path.is_dir():  # SQLite would only say that it is unable to open it
        raise DatabaseUnavailable(
            f"the database {path} is a folder, not a file",
            advice="move the folder away, "
            "or set GITPIP_DATA_DIR or GITPIP_DATABASE_URL to another place",
        )
    writable = os.access(path if there else path.parent, os.W_OK)
    if not writable or not os.access(path.parent, os.W_OK):
        raise DatabaseUnavailable(
            f"{path} can't be written",
            advice="give this user write access to it and its folder, "
            "or set GITPIP_DATA_DIR or GITPIP_DATABASE_URL to another place",
        )
    if not there:
        _make_private(path)


def _make_private(path: Path) -> None:
    """Create an empty file that only its owner can read: it can be read without an access key.

    SQLite gives the files that it keeps next to it the same mode.
    """
    with contextlib.suppress(OSError):  # SQLite will fail at the same, and say so
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def prepare_connection(connection: _DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Set up a new connection of the pool."""
    # We begin transactions ourselves (see `begin`), the driver must not.
    connection.isolation_level = None
    cursor = connection.cursor()
    # The mode belongs to the file. A failure here means that another connection is just setting it.
    cursor.execute("PRAGMA busy_timeout = 0")
    with contextlib.suppress(sqlite3.OperationalError, exc.OperationalError):
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA busy_timeout = 10000")
    # With NORMAL a power cut could undo the last claims after their requests went out.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def begin(connection: sqlalchemy.Connection) -> None:
    """Begin a transaction that writes, or only reads if its options say so."""
    read_only = connection.get_execution_options().get("gitpip_read")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
