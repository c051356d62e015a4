"""Databases with the rows that all acts begin with, and a GitHub that knows one more user."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gitpip_standins import GitHub, Server
from tests.actions.doors import House, Rows, furnished
from tests.conftest import Administrator, PostgresServer


@pytest.fixture(scope="module")
def github() -> Iterator[str]:
    github = GitHub()
    github.add_user("cleo")
    github.add_user("dan")
    with Server(github.app) as server:
        yield server.url


@pytest.fixture(scope="module")
def furnished_file(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> tuple[Path, Rows]:
    """An SQLite database to be copied, and its rows."""
    path = tmp_path_factory.mktemp("furnished") / "gitpip.sqlite3"
    shutil.copy(migrated_file, path)
    return path, asyncio.run(furnished(f"sqlite+aiosqlite:///{path}"))


@pytest.fixture(scope="module")
def furnished_template(postgres: PostgresServer, migrated_template: str) -> tuple[str, Rows]:
    """A PostgreSQL database to be copied, and its rows."""
    postgres.psql(f"CREATE DATABASE furnished TEMPLATE {migrated_template};")
    return "furnished", asyncio.run(furnished(postgres.get_uri("furnished")))


@pytest.fixture
def house(tmp_path: Path, furnished_file: tuple[Path, Rows], github: str) -> Callable[[], House]:
    """Makes houses, each with a database of its own on SQLite."""
    path, rows = furnished_file

    def make() -> House:
        folder = tmp_path / uuid4().hex
        folder.mkdir()
        shutil.copy(path, folder / path.name)
        return House(folder, f"sqlite+aiosqlite:///{folder}/{path.name}", rows, github)

    return make


@pytest.fixture
def house_on_postgres(
    tmp_path: Path,
    postgres: PostgresServer,
    administrator: Administrator,
    furnished_template: tuple[str, Rows],
    github: str,
) -> Iterator[Callable[[], House]]:
    """The same on PostgreSQL."""
    template, rows = furnished_template
    names: list[str] = []

    def make() -> House:
        names.append(f"test_{uuid4().hex}")
        administrator.execute(f"CREATE DATABASE {names[-1]} TEMPLATE {template} STRATEGY file_copy")
        return House(tmp_path, postgres.get_uri(names[-1]), rows, github)

    yield make
    for name in names:
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
