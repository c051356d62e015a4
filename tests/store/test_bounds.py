"""What callers can add without end is bounded, and what counts of it stays."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Table, func, select

from gitpip.backfill import Backfill
from gitpip.errors import FeedAddressConflict
from gitpip.model import Account, GistId, GitHubId, Role, SeenFile, SeenGist, UserKey
from gitpip.store import commit_order, read_state
from gitpip.store.access import feed_tokens, keys, sessions
from gitpip.store.access.feed_tokens import ANONYMOUS, Parent
from gitpip.store.database import Database, Transaction, open_database
from gitpip.store.gists import gists
from gitpip.store.inbox import marks
from gitpip.store.schema import gist_files as gist_files_table
from gitpip.store.schema_access import feed_addresses as address_table
from gitpip.store.schema_access import sessions as sessions_table
from gitpip.store.schema_visits import home_visits as home_visits_table
from gitpip.store.schema_visits import visits as visits_table
from gitpip.store.users import users
from gitpip.store.visits import home, old_visits, visits
from gitpip.store.visits.home import HomeVisit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small bounds, which are reached sooner."""
    monkeypatch.setattr(old_visits, "VISITS_KEPT", 3)
    monkeypatch.setattr(old_visits, "BROWSERS_KEPT", 4)


async def test_old_visits_of_a_viewer_to_a_user_are_deleted(database: Database) -> None:
    ada, bob = await _track(database, "ada"), await _track(database, "bob")
    async with database.begin() as transaction:
        await _find(transaction, ada, 1)
        await visits.record(transaction, ada, viewer="other", now=NOW)
        await visits.record(transaction, bob, viewer="key:x", now=NOW)
        made = [
            await visits.record(transaction, ada, viewer="key:x", now=NOW + number * MINUTE)
            for number in range(visits.MOST_VISITS + 20)
        ]

        kept = await visits.of_user(transaction, ada, limit=1_000)
        assert [visit.id for visit in kept if visit.viewer == "key:x"] == [
            visit.id for visit in reversed(made[20:])
        ]
        assert await visits.last_seen(transaction, ada, viewer="key:x") == 1
        assert await visits.last_seen(transaction, ada, viewer="other") == 1
        assert len(await visits.of_user(transaction, bob, limit=9)) == 1


async def test_viewers_without_a_key_are_bounded_and_those_with_one_stay(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "VIEWERS_KEPT", 3)
    ada, bob = await _track(database, "ada"), await _track(database, "bob")
    lasting = {"key:mia", keys.viewer_of(keys.SETTINGS_KEY), visits.SHARED_VIEWER}
    async with database.begin() as transaction:
        await keys.create(transaction, name="Mia", role=Role.VIEWER, lifetime=None, now=NOW)
        await _find(transaction, ada, 1)
        await visits.record(transaction, bob, viewer="x0", now=NOW)
        for viewer in (*sorted(lasting), *(f"x{number}" for number in range(9)), "key:nobody"):
            for _ in range(2):
                await visits.record(transaction, ada, viewer=viewer, now=NOW)
        await visits.record(transaction, ada, viewer="x7", now=NOW)
        await visits.record(transaction, ada, viewer="browser:y", now=NOW)

        kept = {visit.viewer for visit in await visits.of_user(transaction, ada, limit=99)}
        assert kept == lasting | {"x7", "key:nobody", "browser:y"}
        for viewer in lasting:
            assert await visits.last_seen(transaction, ada, viewer=viewer) == 1
        assert await visits.last_seen(transaction, ada, viewer="x1") == 0
        assert len(await visits.of_user(transaction, bob, limit=9)) == 1


@pytest.mark.usefixtures("_few")
async def test_old_marks_are_deleted_and_nothing_is_unread_again(database: Database) -> None:
    ada, bob = await _track(database, "ada"), await _track(database, "bob")
    viewer = "key:x"
    async with database.begin() as transaction:
        await _find(transaction, bob, 1)
    for _ in range(10):
        async with database.begin() as transaction:
            await _find(transaction, ada, 1)
        await _mark_all(database, viewer)

    async with database.read() as transaction:
        assert (await read_state.unread(transaction, viewer)).gists == 0
        # Bob's is the last.
        assert await _count(transaction, visits_table) == old_visits.VISITS_KEPT + 1
        assert await _count(transaction, home_visits_table) == old_visits.VISITS_KEPT + 1
        latest = await home.visits_of(transaction, viewer, limit=10)
        assert [visit.files for visit in latest] == [1, 1, 1, 2]
    async with database.begin() as transaction:
        await _find(transaction, bob, 1)
        assert (await read_state.unread(transaction, viewer)).gists == 1
        for _ in range(5):
            await marks.mark(transaction, viewer, {}, NOW, read=True)
        # Of acts that changed nothing, the last is kept.
        assert await _count(transaction, home_visits_table) == old_visits.VISITS_KEPT + 2


async def test_marking_everything_is_a_visit_to_so_many_users(database: Database) -> None:
    for login in ("ada", "bob", "eve"):
        user = await _track(database, login)
        async with database.begin() as transaction:
            await _find(transaction, user, 1)
    visits_made = []
    for _ in range(3):
        visits_made.append((await _mark_all(database, "browser:x", most=2)).users)
        async with database.begin() as transaction:
            await _find(transaction, user, 1)
    # The one who was left out at first is visited with the next act.
    assert visits_made == [2, 2, 1]


async def _mark_all(
    database: Database, viewer: str, at: datetime = NOW, most: int | None = None
) -> HomeVisit:
    newest = await commit_order.settled(database)
    async with database.begin() as transaction:
        return await marks.mark_all(transaction, viewer, at, up_to=newest, most=most)


@pytest.mark.usefixtures("_few")
async def test_browsers_without_a_key_are_forgotten(database: Database) -> None:
    ada = await _track(database, "ada")
    async with database.begin() as transaction:
        await _find(transaction, ada, 1)

    async def visit(viewer: str, at: datetime) -> None:
        await _mark_all(database, viewer, at)

    async def known() -> set[str]:
        async with database.read() as transaction:
            assert await _count(transaction, visits_table) == await _count(
                transaction, home_visits_table
            )
            return set(await transaction.scalars(select(home_visits_table.c.viewer)))

    await visit("key:x", NOW)
    for number in range(6):
        await visit(f"browser:{number}", NOW)
    assert await known() == {"key:x", *(f"browser:{number}" for number in range(2, 6))}

    await visit("browser:late", NOW + old_visits.BROWSER_FORGOTTEN + MINUTE)
    assert await known() == {"key:x", "browser:late"}


async def test_a_key_has_a_bounded_number_of_sessions(database: Database) -> None:
    async with database.begin() as transaction:
        ada = await _key(transaction, "ada")
        bob = await _key(transaction, "bob")
        until = NOW + timedelta(days=30)

        async def begin(key: keys.IssuedKey, at: datetime) -> str:
            return await sessions.begin(transaction, label=key.key.label, now=at, until=until)

        of_bob = await begin(bob, NOW)
        of_ada = [
            await begin(ada, NOW + number * MINUTE) for number in range(sessions.MOST_SESSIONS + 5)
        ]
        later = NOW + timedelta(days=1)
        held = [token for token in of_ada if await sessions.label_of(transaction, token, later)]
        assert held == of_ada[5:]
        assert await sessions.label_of(transaction, of_bob, later) == bob.key.label

        await keys.revoke(transaction, "ada", later)
        await begin(bob, later)
        assert await _count(transaction, sessions_table) == 2


async def test_feed_addresses_are_bounded_for_each_key_and_for_all_without_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_tokens, "ANONYMOUS_LIMIT", 3)
    monkeypatch.setattr(feed_tokens, "KEY_LIMIT", 2)
    numbers = iter(range(100))

    async def create(parent: Parent) -> None:
        async with database.begin() as transaction:
            number = next(numbers)
            await feed_tokens.create(
                transaction, name="Reader", viewer=f"v{number}", parent=parent, now=NOW
            )

    async with database.begin() as transaction:
        ada, bob = await _key(transaction, "ada"), await _key(transaction, "bob")
    of_ada, of_bob = (Parent(made.key.label, made.key.id) for made in (ada, bob))
    for parent, limit in ((Parent(ANONYMOUS, None), 3), (of_ada, 2), (of_bob, 2)):
        for _ in range(limit):
            await create(parent)
        with pytest.raises(FeedAddressConflict, match=f"at most {limit}"):
            await create(parent)

    async with database.begin() as transaction:
        await keys.revoke(transaction, "ada", NOW)
        all_of_bob = await feed_tokens.of_viewer(transaction, None, parents=(), now=NOW)
        assert len(all_of_bob) == 2
        await feed_tokens.revoke(transaction, all_of_bob[0].id, NOW, viewer=None)
    await create(of_bob)
    async with database.read() as transaction:
        assert await _count(transaction, address_table) == 3 + 2  # without a key, and bob's


async def _key(transaction: Transaction, name: str) -> keys.IssuedKey:
    return await keys.create(transaction, name=name, role=Role.VIEWER, lifetime=None, now=NOW)


async def _track(database: Database, login: str) -> UserKey:
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            login,
            external_id=login,
            account=Account(login, GitHubId(sum(login.encode()))),
            backfill=Backfill.parse("all"),
            now=NOW,
        )
    return added.user.key


async def _find(transaction: Transaction, user_key: UserKey, number: int) -> None:
    user = await users.lock(transaction, user_key)
    assert user
    assert user.github_id
    known = await _count(transaction, gist_files_table)
    files = tuple(
        SeenFile(f"f{known}-{count}", "0" * 40, 1, None, "https://gist.example/f", content="x")
        for count in range(number)
    )
    gist = SeenGist(
        GistId(f"{known:032x}"), user.github_id, None, "https://gist.example", NOW, NOW, files
    )
    await gists.store(transaction, user, [gist], check_id=None, now=NOW)


async def _count(transaction: Transaction, table: Table) -> int:
    counted = await transaction.execute(select(func.count()).select_from(table))
    return int(counted.scalar_one())
