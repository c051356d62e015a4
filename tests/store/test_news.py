"""News: whatever clocks say and whichever commits late, every file is shown to a viewer once."""

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from gitpip.model import Account, Backfill, GistId, GitHubId, SeenFile, SeenGist, UserKey
from gitpip.store.database import Database, Transaction
from gitpip.store.gists import gists
from gitpip.store.users import users
from gitpip.store.visits import unseen
from tests.support.rows import track

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VIEWER = "anna"
numbers = itertools.count(1)


async def _find(transaction: Transaction, key: UserKey, at: datetime) -> None:
    user = await users.lock(transaction, key)
    assert user
    number = next(numbers)
    file = SeenFile(f"file{number}", f"{number:040x}", 1, None, "", content="x")
    gist = SeenGist(GistId(f"{number:032x}"), GitHubId(1), None, "", NOW, NOW, (file,))
    await gists.store(transaction, user, [gist], check_id=None, now=at)


async def _see(database: Database, *, everything: bool = False) -> dict[UserKey, tuple[int, int]]:
    """Look at the news, and mark them as seen; give the users and files that it covered."""
    async with database.read() as transaction:
        shown = await unseen.for_viewer(transaction, VIEWER, users=2, files=1)
    async with database.begin() as transaction:
        if everything:
            visit = await unseen.mark_everything(transaction, VIEWER, NOW)
        else:
            seen = {entry.user.key: entry.up_to for entry in shown}
            visit = await unseen.mark_seen(transaction, VIEWER, seen, NOW)
        covered = await unseen.shown_by(transaction, visit, users=99, files=1)
    async with database.begin() as transaction:
        await unseen.settle(transaction, visit.id, VIEWER)
    return {entry.user.key: (entry.after, entry.up_to) for entry in covered}


@pytest.mark.parametrize("seed", range(5))
async def test_every_file_is_seen_once(databases: list[Database], seed: int) -> None:
    chance = random.Random(seed)
    keys = [await track(databases[0], login, NOW) for login in ("ada", "bob", "cleo", "dan")]
    visits: list[dict[UserKey, tuple[int, int]]] = []
    found = dict.fromkeys(keys, 0)

    async def find() -> None:
        key, at = chance.choice(keys), NOW + timedelta(days=chance.randint(-4000, 4000))
        async with chance.choice(databases).begin() as transaction:
            await _find(transaction, key, at)
            await asyncio.sleep(chance.random() / 50)
        found[key] += 1

    async def see() -> None:
        visits.append(await _see(chance.choice(databases), everything=chance.random() < 0.3))

    for _ in range(8):
        actions = [find] * chance.randint(0, 4) + [see] * chance.randint(0, 2)
        chance.shuffle(actions)
        await asyncio.gather(*(action() for action in actions))
    while more := await _see(databases[0]):
        visits.append(more)

    for key in keys:
        steps = sorted(visit[key] for visit in visits if key in visit)
        covered = [number for after, up_to in steps for number in range(after + 1, up_to + 1)]
        assert covered == list(range(1, found[key] + 1))


async def test_who_commits_late_is_not_missed(databases: list[Database]) -> None:
    late, early = [await track(databases[0], login, NOW) for login in ("ada", "bob")]
    if databases[0].is_sqlite:
        pytest.skip("SQLite has one writer: nobody can overtake")
    async with databases[0].begin() as slow:
        await _find(slow, late, NOW - timedelta(days=9))
        async with databases[1].begin() as quick:
            await _find(quick, early, NOW)
        visit = asyncio.create_task(_see(databases[2], everything=True))
        done, _ = await asyncio.wait({visit}, timeout=1)
        assert not done
    assert await visit == {early: (0, 1)}

    assert await _see(databases[2]) == {late: (0, 1)}


async def test_who_was_away_comes_back_with_all_that_is_unseen(databases: list[Database]) -> None:
    database = databases[0]
    key, other = [await track(database, login, NOW) for login in ("ada", "bob")]
    async with database.begin() as transaction:
        await _find(transaction, key, NOW)
        await users.remove(transaction, key, NOW)
    async with database.begin() as transaction:
        await _find(transaction, other, NOW)
    assert await _see(database) == {other: (0, 1)}

    assert await track(database, "ada", NOW) == key

    assert await _see(database) == {key: (0, 1)}


async def test_who_is_recognised_comes_back_with_all_that_is_unseen(
    databases: list[Database],
) -> None:
    database = databases[0]
    key, other = [await track(database, login, NOW) for login in ("ada", "bob")]
    async with database.begin() as transaction:
        await _find(transaction, key, NOW)
        await users.remove(transaction, key, NOW)
    async with database.begin() as transaction:
        await _find(transaction, other, NOW)
    assert await _see(database) == {other: (0, 1)}

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
        assert (await users.resolve(transaction, added.user.key, account)).key == key

    assert await _see(database) == {key: (0, 1)}
