"""Whatever clocks say and whichever commits late, a gist is read only after it was shown."""

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from gitpip.backfill import Backfill
from gitpip.model import Account, GistId, GitHubId, SeenFile, SeenGist, UserKey
from gitpip.store import commit_order
from gitpip.store.database import Database, Transaction
from gitpip.store.gists import gists
from gitpip.store.inbox import entries, marks, pages
from gitpip.store.users import account_match, users
from tests.support.rows import track

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VIEWER = "anna"
numbers = itertools.count(1)


async def _find(transaction: Transaction, key: UserKey, at: datetime) -> GistId:
    user = await users.lock(transaction, key)
    assert user
    number = next(numbers)
    file = SeenFile(f"file{number}", f"{number:040x}", 1, None, "", content="x")
    gist = SeenGist(GistId(f"{number:032x}"), GitHubId(1), None, "", NOW, NOW, (file,))
    await gists.store(transaction, user, [gist], check_id=None, now=at)
    return gist.id


async def _read(database: Database, *, everything: bool = False) -> set[str]:
    """Look at the inbox, and mark what it shows as read; give the gists that it showed."""
    shown_up_to = await commit_order.settled(database)
    shown: dict[GistId, int | None] = {}
    async with database.read() as transaction:
        before = None
        while True:
            page = await pages.page(
                transaction, VIEWER, pages.GistsWanted(unread=True), before=before, limit=2
            )
            listed = await entries.entries(transaction, VIEWER, page.ids)
            shown |= {one.gist_id: one.key for one in listed}
            before = page.next
            if before is None or not everything:
                break
    async with database.begin() as transaction:
        if everything:
            await marks.mark_all(transaction, VIEWER, NOW, up_to=shown_up_to)
        else:
            await marks.mark(transaction, VIEWER, shown, NOW, read=True)
    return set(shown)


@pytest.mark.parametrize("seed", range(5))
async def test_no_gist_is_read_that_was_not_shown(databases: list[Database], seed: int) -> None:
    chance = random.Random(seed)
    keys = [await track(databases[0], login, NOW) for login in ("ada", "bob", "cleo", "dan")]
    shown: set[str] = set()
    found: set[str] = set()

    async def find() -> None:
        key, at = chance.choice(keys), NOW + timedelta(days=chance.randint(-4000, 4000))
        async with chance.choice(databases).begin() as transaction:
            gist = await _find(transaction, key, at)
            await asyncio.sleep(chance.random() / 50)
        found.add(gist)

    async def read() -> None:
        shown.update(await _read(chance.choice(databases), everything=chance.random() < 0.3))

    for _ in range(8):
        actions = [find] * chance.randint(0, 4) + [read] * chance.randint(0, 2)
        chance.shuffle(actions)
        await asyncio.gather(*(action() for action in actions))
    while more := await _read(databases[0]):
        shown |= more

    assert shown == found


async def test_a_late_commit_is_not_missed(databases: list[Database]) -> None:
    late, early = [await track(databases[0], login, NOW) for login in ("ada", "bob")]
    if databases[0].is_sqlite:
        pytest.skip("SQLite has one writer: nobody can overtake")
    async with databases[0].begin() as slow:
        hidden = await _find(slow, late, NOW - timedelta(days=9))
        async with databases[1].begin() as quick:
            await _find(quick, early, NOW)
        await _read(databases[2], everything=True)

    assert hidden in await _read(databases[2])


async def test_a_recognised_user_comes_back_with_all_unread_gists(
    databases: list[Database],
) -> None:
    database = databases[0]
    key, other = [await track(database, login, NOW) for login in ("ada", "bob")]
    async with database.begin() as transaction:
        gist = await _find(transaction, key, NOW)
        await users.remove(transaction, key, NOW)
    async with database.begin() as transaction:
        await _find(transaction, other, NOW)
    assert gist not in await _read(database, everything=True)

    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            "ada2",
            external_id="2",
            account=None,
            backfill=Backfill.parse("all"),
            now=NOW,
        )
        account = Account("ada2", GitHubId(int.from_bytes(b"ada")))
        assert (await account_match.resolve(transaction, added.user.key, account)).key == key

    assert await _read(database) == {gist}
