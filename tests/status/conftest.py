"""A database whose rows tell of work that goes well, for tests to spoil."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Executable, text

from gitpip.backfill import Backfill
from gitpip.config import load_settings
from gitpip.model import Account, GistId, GitHubId, Part, SeenFile, SeenGist, User
from gitpip.status.reading import ProcessFacts, ServiceCondition, read
from gitpip.store.database import Database, open_database
from gitpip.store.gists import gists
from gitpip.store.publications import publications
from gitpip.store.schema import metadata
from gitpip.store.schema import publications as publication_rows
from gitpip.store.schema import users as user_rows
from gitpip.store.status import instances
from gitpip.store.users import users
from tests.conftest import Administrator, PostgresServer

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
JUST_NOW = NOW - timedelta(seconds=30)
LONG_AGO = NOW - timedelta(days=2)
SETTINGS = {"GITHUB_TOKEN": "a-token", "PIPEDRIVE_TOKEN": "another-token"}
LOGINS = ("ada", "bob")


@dataclass
class Rows:
    """The rows of a service that works, with two users whose only file is in Pipedrive."""

    database: Database

    async def fill(self) -> None:
        async with self.database.begin() as transaction:
            beat = instances.Beat("one", version="1", part=Part.ALL)
            await instances.record_heartbeat(transaction, beat, NOW)
        for number, login in enumerate(LOGINS, start=1):
            await self._track(login, number)

    async def _track(self, login: str, number: int) -> None:
        async with self.database.begin() as transaction:
            user = (
                await users.add(
                    transaction,
                    login,
                    external_id=login,
                    account=Account(login, GitHubId(number)),
                    backfill=Backfill.parse("all"),
                    now=LONG_AGO,
                )
            ).user
            stored = await gists.store(
                transaction, user, [_gist(user, number)], check_id=None, now=LONG_AGO
            )
            await publications.add(
                transaction,
                user.key,
                [
                    publications.NewPublication(file.key, file.gist_id, file.filename)
                    for file in stored.new
                ],
                LONG_AGO,
            )
            await transaction.execute(
                user_rows.update()
                .where(user_rows.c.key == user.key)
                .values(
                    checked_at=JUST_NOW,
                    complete_until=JUST_NOW,
                    next_check_at=NOW + timedelta(hours=3),
                    hinted_at=None,
                )
            )
            await transaction.execute(
                publication_rows.update()
                .where(publication_rows.c.user_key == user.key)
                .values(
                    state="published",
                    activity_id=number,
                    published_at=LONG_AGO,
                    sent_at=LONG_AGO,
                    attempts=1,
                )
            )

    async def condition(self, process: ProcessFacts | None = None) -> ServiceCondition:
        """What is read of them by a process that only shows, unless other facts are given."""
        async with self.database.read() as transaction:
            return await read(transaction, process or self.process(), NOW)

    def process(self, **others: str) -> ProcessFacts:
        """Those of a process that only shows; `others` are settings."""
        settings = load_settings({**SETTINGS, **others}, env_file=None)
        return ProcessFacts(settings=settings)

    async def execute(self, *statements: Executable) -> None:
        """Change the rows."""
        async with self.database.begin() as transaction:
            for statement in statements:
                await transaction.execute(statement)


def _gist(user: User, number: int) -> SeenGist:
    gist_id = GistId(f"{number:032x}")
    return SeenGist(
        id=gist_id,
        owner_id=GitHubId(number),
        description=None,
        html_url=f"https://gist.github.com/{user.login}/{gist_id}",
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
        files=(
            SeenFile(
                filename=f"{user.login}.txt",
                blob_hash="0" * 40,
                size=1,
                language=None,
                raw_url="https://gist.githubusercontent.com/x",
                content="x",
            ),
        ),
    )


async def empty(database: Database) -> None:
    """Forget every row of earlier tests, and number new ones from 1."""
    tables = list(reversed(metadata.sorted_tables))
    async with database.begin() as transaction:
        if not database.is_sqlite:
            names = ", ".join(table.name for table in tables)
            await transaction.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
            return
        for table in tables:
            await transaction.execute(table.delete())


async def _fill(url: str) -> None:
    database = open_database(url)
    await empty(database)
    await Rows(database).fill()
    await database.close()


@pytest.fixture(scope="session")
def filled_file(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Path:
    """An SQLite database with these rows, to be copied: to fill one takes longer than a test."""
    path = tmp_path_factory.mktemp("status") / "gitpip.sqlite3"
    shutil.copy(migrated_file, path)
    asyncio.run(_fill(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def filled_template(
    postgres: PostgresServer, administrator: Administrator, migrated_template: str
) -> str:
    """The name of a PostgreSQL database with these rows, to be copied."""
    administrator.execute(f"CREATE DATABASE filled TEMPLATE {migrated_template}")
    asyncio.run(_fill(postgres.get_uri("filled")))
    return "filled"


@pytest.fixture(params=["sqlite", "postgres"])
def filled_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with these rows, once for each kind of database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("filled_file"), tmp_path / "gitpip.sqlite3")
        yield f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    administrator: Administrator = request.getfixturevalue("administrator")
    template = request.getfixturevalue("filled_template")
    name = f"test_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield postgres.get_uri(name)
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def rows(filled_url: str) -> AsyncIterator[Rows]:
    database = open_database(filled_url)
    yield Rows(database)
    await database.close()
