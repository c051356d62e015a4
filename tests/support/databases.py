"""Databases of each kind that can be copied and set back, for state machines that need many."""

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NewType, Protocol
from uuid import uuid4

from gitpip.store.database import open_database
from tests.conftest import Administrator, PostgresServer
from tests.support.mortal_database import make_hands

Copied = NewType("Copied", str)
"""A copy of a database, or the empty one."""


class Databases(Protocol):
    """A stock of databases. Nobody may be connected to one that is copied or set back."""

    empty: Copied
    """A migrated database without rows: migrating one takes longer than most tests."""

    def new(self, copied: Copied) -> str:
        """The address of a new database with this content."""

    def copy(self, url: str) -> Copied:
        """Copy a database as it is."""

    def set_back(self, url: str, copied: Copied) -> None:
        """Let a copy take the place of a database."""


class OfSQLite:
    """Files in a folder."""

    def __init__(self, folder: Path, migrated: Path) -> None:
        self._folder = folder
        self.empty = Copied(str(migrated))

    def _address(self, path: Path) -> str:
        return f"sqlite+aiosqlite:///{path}"

    def _file(self, url: str) -> Path:
        return Path(url.removeprefix("sqlite+aiosqlite:///"))

    def new(self, copied: Copied) -> str:
        path = self._folder / f"{uuid4().hex}.sqlite3"
        shutil.copy(copied, path)
        return self._address(path)

    def copy(self, url: str) -> Copied:
        connection = sqlite3.connect(self._file(url))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        path = self._folder / f"{uuid4().hex}.copy"
        shutil.copy(self._file(url), path)
        return Copied(str(path))

    def set_back(self, url: str, copied: Copied) -> None:
        file = self._file(url)
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        shutil.copy(copied, file)


class OfPostgreSQL:
    """Databases of a server, made from one another as templates."""

    def __init__(self, server: PostgresServer, administrator: Administrator, migrated: str) -> None:
        self._server = server
        self._administrator = administrator
        self._names: list[str] = []
        asyncio.run(_make_hands(self._made("empty", migrated)))
        self.empty = Copied(self._names[-1])

    def _made(self, kind: str, template: str) -> str:
        self._names.append(f"{kind}_{uuid4().hex}")
        self._make(self._names[-1], template)
        return self._server.get_uri(self._names[-1])

    def _make(self, name: str, template: str) -> None:
        self._administrator.execute(
            f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"
        )

    def _name(self, url: str) -> str:
        return next(name for name in self._names if name in url)

    def new(self, copied: Copied) -> str:
        return self._made("machine", copied)

    def copy(self, url: str) -> Copied:
        self._made("copied", self._name(url))
        return Copied(self._names[-1])

    def set_back(self, url: str, copied: Copied) -> None:
        name = self._name(url)
        self._administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
        self._make(name, copied)

    def drop(self) -> None:
        for name in self._names:
            self._administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def of_sqlite(migrated: Path) -> Iterator[Databases]:
    """Copies of a migrated file, which are gone at the end."""
    with tempfile.TemporaryDirectory() as folder:
        yield OfSQLite(Path(folder), migrated)


@contextmanager
def of_postgresql(server: PostgresServer, migrated: str) -> Iterator[Databases]:
    """Copies of a migrated database of the server, which are dropped at the end."""
    with closing(Administrator(server)) as administrator:
        databases = OfPostgreSQL(server, administrator, migrated)
        try:
            yield databases
        finally:
            databases.drop()


async def _make_hands(url: str) -> None:
    database = open_database(url)
    await make_hands(database)
    await database.close()
