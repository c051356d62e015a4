"""What SQLite reads for a page is bounded, however many gists and publications there are.

SQLite has no statistics of our tables, so it can begin with the index that helps least.
"""

import itertools
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, event

from benchmarks.large_database import fill
from gitpip.model import (
    FileKey,
    GistId,
    GitHubId,
    PublicationState,
    SeenFile,
    SeenGist,
    UserKey,
)
from gitpip.store import commit_order, listing, sqlite
from gitpip.store.database import Transaction, open_database
from gitpip.store.gists import gists
from gitpip.store.listing import FileWanted
from gitpip.store.publications import bounded_counts, causes, publication_rows, publications
from gitpip.store.publications.selection import PublicationFilter
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
    return _plans_of(database_url, executed)


def _plans_of(database_url: str, executed: Sequence[tuple[str, Any]]) -> list[list[str]]:
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


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_end_of_the_inbox_is_read_from_indexes(database_url: str) -> None:
    database = open_database(database_url)
    with _statements() as executed:
        await commit_order.settled(database)
    await database.close()
    for level in _plans_of(database_url, executed):
        assert all(line.startswith("SEARCH") for line in level), level


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
    monkeypatch.setattr(listing, "MAX_CHECKED_FILES", 10)
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


def _is(state: PublicationState, **others: Any) -> PublicationFilter:
    return PublicationFilter(states=(state,), **others)


PUBLISHED = PublicationState.PUBLISHED
TAGGED = FileWanted(tag="tag-7", state=PublicationState.FAILED)
SELECTIONS = {
    "published": _is(PUBLISHED),
    "failed": _is(PublicationState.FAILED),
    "published of a tag": _is(PUBLISHED, tag="tag-7"),
    "published of a user": _is(PUBLISHED, login="user-7"),
    "published for a reason": _is(PUBLISHED, cause="0123456789ab"),
}
READ: dict[str, Read] = {
    "numbers of publications": lambda transaction: bounded_counts.count(transaction, most=50),
    "files of a common state": lambda transaction: listing.file_keys(
        transaction, FileWanted(state=PUBLISHED), None, 26
    ),
    "files of a rare state and a tag": lambda transaction: listing.file_keys(
        transaction, TAGGED, None, 26
    ),
}
for name, selection in SELECTIONS.items():
    READ |= {
        f"list, {name}": partial(publications.listed, wanted=selection, offset=0, limit=51),
        f"number, {name}": partial(bounded_counts.count_found, wanted=selection, most=50),
        f"reasons, {name}": partial(causes.of, wanted=selection, newest=50),
    }


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_a_list_reads_does_not_grow_with_all_publications(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication_rows, "MAX_CHECKED_ONE_BY_ONE", 100)
    larger = database_url.replace("gitpip.sqlite3", "larger.sqlite3")
    shutil.copy(database_url.partition("///")[2], larger.partition("///")[2])
    taken = {}
    for url, number in ((database_url, 2_000), (larger, 6_000)):
        await fill(url, users=number // 20, gists=number)
        taken[number] = {name: await _steps(url, read) for name, read in READ.items()}

    # Of what is rare there is more among more: three times as much.
    grown = {
        name: (before, taken[6_000][name])
        for name, before in taken[2_000].items()
        if taken[6_000][name] > 1.5 * before + 3_000
    }
    assert grown == {}


async def _steps(database_url: str, read: Read) -> int:
    """How many steps SQLite takes for what is read."""
    steps = itertools.count()
    database = open_database(database_url)
    async with database.read() as transaction:
        connection = (await transaction.get_raw_connection()).driver_connection
        assert isinstance(connection, sqlite.SQLiteConnection)
        await connection.set_progress_handler(lambda: next(steps) < 0, 100)
        await read(transaction)
        await connection.set_progress_handler(lambda: False, 0)
    await database.close()
    return 100 * next(steps)
