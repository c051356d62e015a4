"""Search: every word that was stored is found at once, and nothing a person types is syntax."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete, text, update

from gitpip.backfill import Backfill
from gitpip.model import Account, GistId, GitHubId, SeenFile, SeenGist, User
from gitpip.store import listing
from gitpip.store.database import Database, open_database
from gitpip.store.gists import gists
from gitpip.store.schema import gist_files
from gitpip.store.schema import gists as gists_table
from gitpip.store.schema import users as users_table
from gitpip.store.users import users
from tests.support.migrations import upgrade_to

NOW = datetime(2026, 1, 1, tzinfo=UTC)
numbers = itertools.count(1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await database.migrate()
    yield database
    await database.close()


async def _track(database: Database, login: str) -> User:
    number = next(numbers)
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            login,
            external_id=str(number),
            account=Account(login, GitHubId(number)),
            backfill=Backfill.parse("all"),
            now=NOW,
        )
    return added.user


async def _store(
    database: Database, user: User, files: dict[str, str | None], description: str | None = None
) -> GistId:
    gist_id = GistId(f"{next(numbers):032x}")
    seen = SeenGist(
        gist_id,
        GitHubId(1),
        description,
        "https://gist.github.com/1",
        NOW,
        NOW,
        tuple(
            SeenFile(name, f"{next(numbers):040x}", 1, None, "https://x.example", content)
            for name, content in files.items()
        ),
    )
    async with database.begin() as transaction:
        locked = await users.lock(transaction, user.key)
        assert locked
        await gists.store(transaction, locked, [seen], check_id=None, now=NOW)
    return gist_id


async def _found(database: Database, query: str) -> list[str]:
    async with database.read() as transaction:
        files = await listing.list_files(
            transaction, listing.FileWanted(text=query), before=None, limit=50
        )
    return [file.filename for file in files]


@pytest.mark.parametrize(
    "query",
    [
        "read_csv",
        "pandas",
        "PANDAS",
        "df pd.read",
        "analysis",
        "analysis.py",
        "ada-love",
        "quarterly",
        "read csv report",
        "Zürich",
        "'/data/in.csv'",
        "https://example.org/path?query=1",
        "x86",
    ],
)
async def test_words_of_all_texts_are_found(database: Database, query: str) -> None:
    user = await _track(database, "ada-lovelace")
    code = (
        "import pandas as pd\ndf = pd.read_csv('/data/in.csv')  # Zürich\n"
        "# see https://example.org/path?query=1 on x86\n"
    )
    await _store(database, user, {"analysis.py": code, "other.txt": "nothing"}, "Quarterly report")
    await _store(database, await _track(database, "grace"), {"plain.txt": "unrelated"})

    assert "analysis.py" in await _found(database, query)
    assert "plain.txt" not in await _found(database, query)


@pytest.mark.parametrize(
    "query", ["csv_read", "ead", "pandas nowhere", "***", "-", '"', "NOT", "NEAR(a b)", "z:*"]
)
async def test_what_is_not_there_is_not_found(database: Database, query: str) -> None:
    user = await _track(database, "ada")
    await _store(database, user, {"analysis.py": "import pandas\npd.read_csv()"})

    assert await _found(database, query) == []


async def test_changes_are_found_at_once_and_old_words_no_more(database: Database) -> None:
    user = await _track(database, "oldname")
    gist = await _store(database, user, {"one.py": "first", "two.py": "second"}, "beginning")

    async with database.begin() as transaction:
        await transaction.execute(
            update(gist_files).where(gist_files.c.filename == "one.py").values(content="third")
        )
        await transaction.execute(update(gists_table).values(description="ending"))
        await transaction.execute(update(users_table).values(login="newname"))

    for gone in ("first", "beginning", "oldname"):
        assert await _found(database, gone) == []
    assert await _found(database, "third") == ["one.py"]
    assert await _found(database, "newname ending") == ["two.py", "one.py"]
    async with database.begin() as transaction:
        await transaction.execute(delete(gists_table).where(gists_table.c.id == gist))
    assert await _found(database, "newname") == []


async def test_removing_files_leaves_a_sound_index(database: Database) -> None:
    user = await _track(database, "ada")
    await _store(database, user, {"one.py": "first"})
    async with database.begin() as transaction:
        await transaction.execute(delete(users_table).where(users_table.c.key == user.key))

    await _store(database, await _track(database, "bob"), {"new.py": "fresh"})

    assert await _found(database, "fresh") == ["new.py"]
    assert await _found(database, "first") == []
    if database.is_sqlite:
        async with database.begin() as transaction:
            await transaction.execute(
                text("INSERT INTO gist_search (gist_search) VALUES ('integrity-check')")
            )


@pytest.mark.parametrize(
    "content",
    [
        "needle " + "x" * 5_000_000,
        "needle " + " ".join(f"word{number}" for number in range(400_000)),
        "needle " + "".join(chr(0x4E00 + number % 20_000) + " " for number in range(600_000)),
        "needle\n" + "\u202e\ufeff\x1b<script>'; DROP TABLE users; --",
    ],
    ids=["one long word", "many words", "many wide characters", "hostile"],
)
async def test_large_and_hostile_contents_are_stored_and_found(
    database: Database, content: str
) -> None:
    await _store(database, await _track(database, "ada"), {"big.txt": content})

    assert await _found(database, "needle") == ["big.txt"]


async def test_files_of_before_the_migration_are_found(unmigrated_url: str) -> None:
    database = open_database(unmigrated_url)
    async with database.begin() as transaction:
        await transaction.run_sync(upgrade_to, "0004")
        for statement in (
            "INSERT INTO users (key, login, external_id, backfill, state, created_at, "
            "next_check_at) VALUES (1, 'ada', '1', 'all', 'active', {now}, {now})",
            "INSERT INTO gists (id, user_key, description, html_url, created_at, updated_at, "
            "found_at) VALUES ('a', 1, 'history', '', {now}, {now}, {now})",
            "INSERT INTO gist_files (key, gist_id, user_key, filename, sequence, blob_hash, size, "
            "content, truncated, raw_url, found_at) "
            "VALUES (1, 'a', 1, 'old.py', 1, '0', 1, 'ancient', 0, '', {now})",
        ):
            await transaction.execute(text(statement.format(now="'2026-01-01 00:00:00'")))

    await database.migrate()

    assert await _found(database, "ancient history") == ["old.py"]
    await database.close()


@given(
    query=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_typed_is_no_error(
    runner: asyncio.Runner, shared: Database, query: str
) -> None:
    runner.run(_found(shared, query))


async def test_a_word_that_the_index_cuts_inside_a_character_does_no_harm(
    database: Database,
) -> None:
    user = await _track(database, "ada")
    await _store(database, user, {"long.txt": "zqx" + "中" * 11_000, "short.txt": "zqx"})

    # PostgreSQL leaves out so long a word.
    assert "short.txt" in await _found(database, "zqx")


FEW_LETTERS = st.text("ab1É", min_size=1, max_size=4)


@given(
    contents=st.lists(st.lists(FEW_LETTERS, max_size=12), min_size=1, max_size=4),
    query=st.lists(st.text("abAB1", min_size=1, max_size=3), min_size=1, max_size=3),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_word_of_a_search_may_be_the_beginning_of_one(
    runner: asyncio.Runner, shared: Database, contents: list[list[str]], query: list[str]
) -> None:
    mark = f"mark{next(numbers)}"
    files: dict[str, str | None] = {
        f"{number} {mark}": " ".join(words) for number, words in enumerate(contents)
    }
    runner.run(_store(shared, runner.run(_track(shared, mark)), files))

    found = runner.run(_found(shared, " ".join([mark, *query])))

    expected = {
        name
        for name, content in files.items()
        if all(
            any(word.lower().startswith(begun.lower()) for word in f"{name} {content}".split())
            for begun in query
        )
    }
    assert set(found) == expected


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def shared(database_url: str, runner: asyncio.Runner) -> Iterator[Database]:
    database = open_database(database_url)
    runner.run(database.migrate())
    yield database
    runner.run(database.close())
