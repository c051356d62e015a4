"""The database: migrated on start, by several at once, and refused where it can't serve."""

import asyncio
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from gitpip.backfill import Backfill
from gitpip.errors import DatabaseTooNew, DatabaseUnavailable, UserConflict
from gitpip.model import Account, GistId, GitHubId, SeenFile, SeenGist
from gitpip.store.database import Database, open_database, wait_until_reachable
from gitpip.store.gists import gists
from gitpip.store.publications import publications
from gitpip.store.schema import metadata
from gitpip.store.users import renames, users
from tests.support.migrations import upgrade_to

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_several_migrate_an_empty_database_at_once(unmigrated_url: str) -> None:
    databases = [open_database(unmigrated_url) for _ in range(3)]

    await asyncio.gather(*(database.migrate() for database in databases))

    assert [await database.is_migrated() for database in databases] == [True] * 3
    for database in databases:
        await database.close()


@pytest.mark.parametrize("unmigrated_url", ["postgresql"], indirect=True)
async def test_a_migration_that_meets_a_deadlock_is_tried_again(unmigrated_url: str) -> None:
    """An older gitpip works on publications and then on a user; 0043 changes them the other way."""
    database, rival = open_database(unmigrated_url), open_database(unmigrated_url)
    async with database.begin() as transaction:
        await transaction.run_sync(upgrade_to, "0042")
    async with rival.begin() as transaction:
        await transaction.execute(text("SET deadlock_timeout = '1min'"))
        await transaction.execute(text("LOCK TABLE publications IN ROW EXCLUSIVE MODE"))
        migrating = asyncio.create_task(database.migrate())
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")
        async with asyncio.timeout(60):
            while not (await transaction.execute(waits)).scalar_one():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await transaction.execute(text("LOCK TABLE users IN ROW EXCLUSIVE MODE"))
    await migrating

    assert await database.is_migrated()
    await database.close()
    await rival.close()


@pytest.mark.filterwarnings("ignore:.*expression-based index")
async def test_the_migrations_make_the_schema(unmigrated_url: str) -> None:
    database = open_database(unmigrated_url)
    await database.migrate()

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        # SQLite can't be asked about an index over an expression; the index of the full-text search
        # is of each database's own kind; where empty values are sorted, too.
        return [
            difference
            for difference in compare_metadata(context, metadata)
            if not re.search(
                "uq_users_login|gist_search|gist_words|ix_users_by_|ix_users_removed_",
                str(difference),
            )
        ]

    async with database.read() as transaction:
        assert await transaction.run_sync(differences) == []
    await database.close()


async def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    database = open_database(database_url)
    await database.migrate()
    async with database.begin() as transaction:
        await transaction.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(DatabaseTooNew, match="9999"):
        await database.migrate()
    await database.close()


async def test_an_unreachable_postgresql_is_waited_for_no_longer_than_told() -> None:
    database = open_database("postgresql://nobody@127.0.0.1:1/none")

    with pytest.raises(DatabaseUnavailable):
        await wait_until_reachable(database, timedelta(seconds=0.5))
    await database.close()


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(DatabaseUnavailable, match="GITPIP_DATA_DIR"):
        open_database(f"sqlite+aiosqlite:///{tmp_path}/file/gitpip.db")


def test_a_folder_in_the_place_of_the_file_is_said_to_be_one(tmp_path: Path) -> None:
    folder = tmp_path / "gitpip.db"
    folder.mkdir()

    with pytest.raises(DatabaseUnavailable) as caught:
        open_database(f"sqlite+aiosqlite:///{folder}")

    assert str(caught.value) == (
        f"the database {folder} is a folder, not a file; move the folder away, "
        "or set GITPIP_DATA_DIR or GITPIP_DATABASE_URL to another place"
    )


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gitpip.db").write_bytes(b"no database at all, but long enough" * 200)
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/gitpip.db")

    named = f"^the database {tmp_path}/gitpip.db does not work: .*not a database"
    with pytest.raises(DatabaseUnavailable, match=named):
        await database.migrate()
    await database.close()


async def test_what_another_process_holds_locked_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "gitpip.db"
    database = open_database(f"sqlite+aiosqlite:///{path}")
    await database.migrate()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    adding = asyncio.create_task(_add(database, "octocat", "1"))
    async with database.read() as transaction:
        assert await users.everyone(transaction) == ()
    other.execute("COMMIT")
    await adding

    async with database.read() as transaction:
        assert [user.login for user in await users.everyone(transaction)] == ["octocat"]
    other.close()
    await database.close()


async def test_a_login_and_an_id_belong_to_one_user(database_url: str) -> None:
    database = open_database(database_url)
    await database.migrate()
    first = await _add(database, "Octocat", "1")

    assert (await _add(database, "octoCat", "1")).user == first.user
    assert not (await _add(database, "octocat", "1")).new
    with pytest.raises(UserConflict, match="customer ID 1"):
        await _add(database, "octocat", "2")
    with pytest.raises(UserConflict, match="Octocat"):
        await _add(database, "hubot", "1")
    await database.close()


async def test_a_removed_user_who_comes_back_is_not_published_again(database_url: str) -> None:
    database = open_database(database_url)
    await database.migrate()
    added = await _add(database, "octocat", "1", GitHubId(583231))
    assert len(await _find_files(database, "octocat")) == 2

    async with database.begin() as transaction:
        await users.remove(transaction, added.user.key, NOW)
    again = await _add(database, "octocat-renamed", "2", GitHubId(583231))

    assert again.new
    assert await _find_files(database, "octocat-renamed") == ()
    async with database.read() as transaction:
        assert (await publications.page(transaction, offset=0, limit=9)).total == 2
    await database.close()


async def _add(
    database: Database, login: str, external_id: str, github_id: GitHubId | None = None
) -> users.AddedUser:
    async with database.begin() as transaction:
        return await users.add(
            transaction,
            login,
            external_id=external_id,
            account=Account(login, github_id) if github_id else None,
            backfill=Backfill.parse("all"),
            now=NOW,
        )


async def _find_files(database: Database, login: str) -> tuple[gists.StoredFile, ...]:
    files = tuple(
        SeenFile(name, "0" * 40, 1, None, f"https://gist.example/{name}", content="x")
        for name in ("a.txt", "b.txt")
    )
    gist = SeenGist(
        GistId("1" * 32), GitHubId(583231), None, "https://gist.example/1", NOW, NOW, files
    )
    async with database.begin() as transaction:
        found = await users.find(transaction, login)
        user = await users.lock(transaction, found.key)
        assert user
        new = (await gists.store(transaction, user, [gist], check_id=None, now=NOW)).new
        await publications.add(
            transaction,
            user.key,
            [publications.NewPublication(file.key, file.gist_id, file.filename) for file in new],
            NOW,
        )
    return new


async def test_a_user_is_found_by_every_former_login(database_url: str) -> None:
    database = open_database(database_url)
    await database.migrate()
    first = await _add(database, "ada", "1", GitHubId(1))
    second = await _add(database, "bob", "2", GitHubId(2))
    for user, login in (
        (first.user, "Countess"),
        (first.user, "countess"),  # a change of case is no rename
        (second.user, "ADA"),
        (second.user, "robert"),
    ):
        account = Account(login, GitHubId(1 if user == first.user else 2))
        async with database.begin() as transaction:
            await renames.follow(transaction, [(user, account)], NOW)
    async with database.read() as transaction:
        # Both had the login; the one who was added last is meant.
        assert (await users.find(transaction, "ada")).login == "robert"
        assert (await users.find(transaction, "countess")).former_login == "ada"
        known = await users.known_pair(transaction, "Ada", "1")
        assert known is not None
        assert known.login == "countess"
        assert (await users.find(transaction, "Bob")).login == "robert"  # two renames ago
        again = await users.known_pair(transaction, "BOB", "2")
        assert again is not None
        assert again.login == "robert"
        with pytest.raises(UserConflict, match="customer ID 1 is taken already, by countess"):
            await users.known_pair(transaction, "bob", "1")
        assert await users.known_pair(transaction, "ada", "3") is None
    await _add(database, "ada", "3", GitHubId(3))
    async with database.read() as transaction:
        assert (await users.find(transaction, "ada")).external_id == "3"
        with pytest.raises(UserConflict, match="customer ID 3"):
            await users.known_pair(transaction, "ada", "1")
    await database.close()
