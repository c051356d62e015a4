"""What SQLite reads for a page is bounded, however many gists and publications there are.

SQLite has no statistics of our tables, so it can begin with the index that helps least.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event

from gitpip.model import FileKey, GistId, GitHubId, SeenFile, SeenGist, UserKey
from gitpip.store import listing
from gitpip.store.database import Transaction, open_database
from gitpip.store.gists import gists
from gitpip.store.listing import FileWanted
from gitpip.store.status import troubles
from gitpip.store.users import users
from tests.support.rows import track

NOW = datetime(2026, 1, 1, tzinfo=UTC)

Read = Callable[[Transaction], Awaitable[object]]


@contextmanager
def _statements() -> Iterator[list[tuple[str, Any]]]:
    """What is executed meanwhile, with its parameters."""
    executed: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        executed.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def _plans(database_url: str, read: Read) -> list[list[str]]:
    """For each level of each plan, the tables in the order in which SQLite goes through them."""
    database = open_database(database_url)
    async with database.read() as transaction:
        with _statements() as executed:
            await read(transaction)
    await database.close()
    levels = []
    with closing(sqlite3.connect(database_url.partition("///")[2])) as connection:
        for statement, values in executed:
            if not statement.startswith("SELECT"):
                continue
            rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            parents = dict.fromkeys(row[1] for row in rows)
            levels += [[row[3] for row in rows if row[1] == parent] for parent in parents]
    return levels


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("read", [troubles.notes_failed, troubles.notes_waiting])
async def test_the_status_does_not_read_all_that_is_published(
    database_url: str, read: Read
) -> None:
    for level in await _plans(database_url, read):
        assert not [line for line in level if line.startswith("SCAN publications")]
        assert not [line for line in level if "ix_publications_state" in line]


async def _find_files(database_url: str, login: str, number: int) -> UserKey:
    database = open_database(database_url)
    key = await track(database, login, NOW)
    files = tuple(
        SeenFile(f"{each}.py", f"{login}{each}", 1, "Python", "", content="common")
        for each in range(number)
    )
    gist = SeenGist(GistId(f"of{login}"), GitHubId(1), "", "", NOW, NOW, files)
    async with database.begin() as transaction:
        user = await users.lock(transaction, key)
        assert user
        await gists.store(transaction, user, [gist], check_id=None, now=NOW)
    await database.close()
    return key


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("login", ["ada", "bob"])
async def test_a_search_does_not_ask_the_index_of_words_for_each_file(
    database_url: str, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FEW", 10)
    # Those of ada are behind so many of bob that her files come before the words.
    keys = {each: await _find_files(database_url, each, 25) for each in ("ada", "bob")}
    found: list[FileKey] = []

    async def search(transaction: Transaction) -> None:
        wanted = FileWanted(text="common", language="Python", user_keys=[keys[login]])
        found.extend(await listing.file_keys(transaction, wanted, None, 24))

    levels = await _plans(database_url, search)

    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 24
    tables = [[line for line in level if line.startswith(("SCAN", "SEARCH"))] for level in levels]
    words = [lines for lines in tables if any("gist_search" in line for line in lines)]
    assert words
    assert all("gist_search" in lines[0] for lines in words), words
