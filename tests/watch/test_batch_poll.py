"""The batch poll over a real socket and both databases: its costs, and what it must not miss."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Literal

import pytest

from gitpip.backfill import Backfill
from gitpip.model import Check, GistId, OnDelete, OnEdit, PublicationState, User, UserState
from gitpip.store.database import Database
from gitpip.store.gists import gists
from gitpip.store.publications import publications
from gitpip.store.status import checks, pauses
from gitpip.store.users import schedule, users
from gitpip.watch.check import Watcher
from gitpip.watch.decide import known_until
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.crowd import add_users, files_of, queries, track_identified


@pytest.fixture
async def github(server: Server, clock: Clock) -> AsyncIterator[GitHub]:
    async with sweeping(server, clock) as github:
        yield github


async def track(
    database: Database, clock: Clock, *logins: str, external_id: str | None = None
) -> None:
    async with database.begin() as transaction:
        for login in logins:
            await users.add(
                transaction,
                login,
                external_id=external_id or f"id of {login}",
                account=None,
                backfill=Backfill.parse("all"),
                now=clock(),
            )


async def run(watcher: Watcher) -> Check:
    check = await watcher.run()
    assert check is not None
    return check


async def user_named(database: Database, login: str) -> User:
    async with database.read() as transaction:
        return await users.find(transaction, login)


def public_files(world: StandIn, login: str) -> set[str]:
    user = world.user_of(login)
    assert user
    return {
        f"{gist.id}/{name}"
        for gist in world.gists_of(user.id)
        if gist.public
        for name in gist.files
    }


@pytest.mark.long
async def test_1000_quiet_users_cost_at_most_25_points_a_round(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 1000)
    for login in logins[:20]:
        world.add_gist(login, {"a.txt": login})
    clock.advance(timedelta(minutes=1))
    await track_identified(database, world, clock, logins)
    check = await run(watcher)
    assert (check.users, check.failed, check.files) == (1000, 0, 20)
    for _ in range(2):
        clock.advance(INTERVAL)
        world.limits.reset()
        before = len(world.requests)
        check = await run(watcher)
        assert (check.users, check.unchanged, check.failed) == (1000, 1000, 0)
        window = world.limits.window("#0", "graphql", clock())
        assert window is not None
        assert window.used <= 25
        assert {request.path for request in world.requests[before:]} == {"/graphql"}


async def test_a_new_gist_and_an_edit_are_noticed_and_a_star_changes_nothing(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    first = world.add_gist("ada", {"a.txt": "one"})
    await track(database, clock, "ada")
    await run(watcher)
    clock.advance(INTERVAL)
    world.star(first)
    assert (await run(watcher)).files == 0
    clock.advance(INTERVAL)
    assert (await run(watcher)).unchanged == 1
    world.edit_gist(first, {"a.txt": "two", "b.txt": "new"})
    second = world.add_gist("ada", {"c.txt": "three"})
    clock.advance(INTERVAL)

    check = await run(watcher)

    assert (check.gists, check.files) == (2, 2)
    assert await files_of(database, "ada") == [
        f"{first}/a.txt",
        f"{first}/b.txt",
        f"{second}/c.txt",
    ]
    gist_id, *_ = await _gist_ids(database)
    async with database.read() as transaction:
        files = await gists.of_gist(transaction, gist_id)
        edited = next(file for file in files if file.filename == "a.txt")
        past = await gists.revisions_of(transaction, edited)
    assert (edited.revision, edited.content, edited.revised_at) == (2, "two", clock())
    assert [(file.revision, file.content) for file in past] == [(1, "one")]


async def _gist_ids(database: Database) -> list[GistId]:
    async with database.read() as transaction:
        page = await gists.page(transaction, offset=0, limit=100)
    return list(dict.fromkeys(file.gist_id for file in reversed(page.items)))


@pytest.mark.long
async def test_large_batches_that_fail_are_halved_and_nobody_is_left_out(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 120)
    await track(database, clock, *logins)
    failures: tuple[Literal["resource-limits", 502, 504], ...] = ("resource-limits", 502, 504)
    for failure in failures:
        world.graphql.fail_above, world.graphql.failure = 40, failure
        check = await run(watcher)
        assert (check.users, check.failed) == (120, 0)
        clock.advance(INTERVAL)
        world.limits.reset()
    assert all(request.path == "/graphql" for request in world.requests)


@pytest.mark.long
async def test_a_silently_cut_answer_loses_nothing(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 60, with_gists=3)
    await track(database, clock, *logins)
    world.graphql.cut_above = 10
    check = await run(watcher)
    assert check.files == 180
    clock.advance(INTERVAL)
    world.limits.reset()
    for login in logins:
        world.add_gist(login, {"later.txt": login})
    await run(watcher)
    for login in logins:
        found = await files_of(database, login)
        assert set(found) == public_files(world, login)
        assert len(found) == 4


async def test_one_hidden_user_fails_alone_and_comes_back(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 5, with_gists=1)
    await track(database, clock, *logins)
    await run(watcher)
    hidden = world.user_of("user-2")
    assert hidden
    world.hide_user(hidden.id, 2)
    clock.advance(INTERVAL)
    check = await run(watcher)
    assert (check.users, check.unchanged, check.failed) == (5, 4, 1)
    clock.advance(INTERVAL)
    assert (await run(watcher)).failed == 0
    assert (await user_named(database, "user-2")).state is UserState.ACTIVE


async def test_a_rename_is_followed_by_id_and_the_former_login_is_kept(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    ada = world.add_user("ada")
    world.add_gist("ada", {"ada.txt": "ada"})
    await track(database, clock, "ada")
    await run(watcher)
    world.rename(ada, "countess")
    world.add_user("ada")
    world.add_gist("ada", {"other.txt": "somebody else's"})
    clock.advance(INTERVAL)
    await run(watcher)
    countess = await user_named(database, "countess")
    assert (countess.github_id, countess.former_login) == (ada, "ada")
    await track(database, clock, "ada", external_id="another")
    await run(watcher)
    assert [name.rpartition("/")[2] for name in await files_of(database, "countess")] == ["ada.txt"]
    assert [name.rpartition("/")[2] for name in await files_of(database, "ada")] == ["other.txt"]


async def test_deleted_gists_are_marked_and_come_back(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    kept = world.add_gist("ada", {"kept.txt": "kept"})
    hidden = world.add_gist("ada", {"hidden.txt": "hidden", "part.txt": "part"})
    await track(database, clock, "ada")
    await run(watcher)
    world.edit_gist(hidden, {"part.txt": None})
    clock.advance(INTERVAL)
    await run(watcher)
    assert await removed(database) == {"part.txt"}
    gist = world.gist(hidden)
    assert gist
    gist.public = False
    clock.advance(INTERVAL)
    await run(watcher)
    assert await removed(database) == {"part.txt", "hidden.txt"}
    world.make_public(hidden)
    clock.advance(INTERVAL)
    await run(watcher)
    assert await removed(database) == {"part.txt"}
    assert f"{kept}/kept.txt" in await files_of(database, "ada")
    assert len(await files_of(database, "ada")) == 3


async def removed(database: Database) -> set[str]:
    async with database.read() as transaction:
        page = await gists.page(transaction, offset=0, limit=100)
    return {file.filename for file in page.items if file.removed_at}


@pytest.mark.long
async def test_used_up_points_leave_everybody_to_rest_until_the_reset(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 110, with_gists=1)
    await track_identified(database, world, clock, logins)
    await run(watcher)
    clock.advance(INTERVAL)
    world.limits.reset()
    window = world.limits.window("#0", "graphql", clock())
    assert window
    window.used = window.limit - 2
    before = queries(world)
    check = await run(watcher)
    assert (check.users, check.unchanged, check.failed) == (110, 110, 0)
    assert queries(world) == before + 2
    async with database.read() as transaction:
        assert await pauses.paused(transaction, pauses.SWEEPING, clock())
    assert not await watcher.due()
    ada = await user_named(database, "user-105")
    assert ada.github_id
    world.add_gist("user-105", {"fresh.txt": "fresh"})
    async with database.begin() as transaction:
        assert await schedule.hint(transaction, [ada.github_id], clock()) == ("user-105",)
    assert await watcher.due()
    assert (await run(watcher)).files == 1
    assert queries(world) == before + 2
    clock.advance(INTERVAL)
    world.limits.reset()
    assert (await run(watcher)).users == 110
    assert queries(world) > before + 2
    async with database.read() as transaction:
        assert not await pauses.pauses_now(transaction, clock())


@pytest.mark.long
async def test_used_up_requests_stop_the_reading_and_not_the_batch_poll(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 60)
    await track_identified(database, world, clock, logins)
    await run(watcher)
    clock.advance(INTERVAL)
    world.limits.reset()
    for login in logins[:40]:
        world.add_gist(login, {"a.txt": login})
    window = world.limits.window("#0", "core", clock())
    assert window
    window.used = window.limit - 70
    check = await run(watcher)
    assert check.unchanged == 20
    assert check.failed == 0
    assert check.files < 40
    assert not await watcher.due()
    clock.advance(timedelta(hours=1, seconds=5))
    world.limits.reset()
    await run(watcher)
    for login in logins[:40]:
        assert len(await files_of(database, login)) == 1


async def test_at_most_the_share_is_used(
    world: StandIn, server: Server, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 90, with_gists=1)
    await track_identified(database, world, clock, logins)
    world.limits.with_token = 200
    async with sweeping(server, clock, share=0.5) as github:
        await Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock).run()
        window = world.limits.window("#0", "core", clock())
        assert window
        # A hundred are ours, and of these sixty are kept for the feed.
        assert window.used == 40
        assert {budget.resource: budget.ours for budget in github.budgets()} == {
            "core": 100,
            "graphql": 100,
        }


async def test_graphql_in_trouble_leaves_everybody_to_rest_until_one_query_works(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    await track(database, clock, *add_users(world, 3))
    world.faults.script(Fault.error(502), path="^/graphql", times=None)
    lengths = []
    for _ in range(3):
        before = queries(world)
        check = await run(watcher)
        assert (check.users, check.failed) == (3, 0)
        assert queries(world) - before <= 5
        async with database.read() as transaction:
            pause = await pauses.paused(transaction, pauses.SWEEPING, clock())
        assert pause
        lengths.append(pause.until - clock())
        # As long as the pause lasts, nobody asks GraphQL.
        before = queries(world)
        async with database.begin() as transaction:
            await checks.request(transaction, clock())
        assert (await run(watcher)).users == 3
        assert queries(world) == before
        clock.advance(INTERVAL)
    assert lengths == [timedelta(minutes=minutes) for minutes in (1, 2, 4)]
    world.faults.clear()
    before = queries(world)
    assert (await run(watcher)).unchanged == 3
    assert queries(world) == before + 2
    async with database.read() as transaction:
        assert not await pauses.pauses_now(transaction, clock())


async def test_completeness_is_computed_from_the_lists_that_were_read(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    await track(database, clock, *add_users(world, 3))
    async with database.read() as transaction:
        before = await schedule.freshness(transaction)
    assert (before.users, before.unread, before.complete_until) == (3, 3, None)
    read_at = known_until(clock())
    await run(watcher)
    clock.advance(timedelta(minutes=1))
    await track(database, clock, "nobody")
    await run(watcher)
    async with database.read() as transaction:
        after = await schedule.freshness(transaction)
    assert (after.users, after.unread, after.complete_until) == (4, 1, None)
    assert (after.oldest, after.median, after.most) == (read_at, read_at, read_at)


@pytest.mark.parametrize("on_edit", OnEdit)
async def test_an_edit_is_published_as_the_rule_says(
    world: StandIn, github: GitHub, database: Database, clock: Clock, on_edit: OnEdit
) -> None:
    rules = Rules(interval=INTERVAL, on_edit=on_edit, on_delete=OnDelete.NOTE)
    watcher = Watcher(database, github, rules=rules, now=clock)
    world.add_user("ada")
    gist = world.add_gist("ada", {"a.txt": "one"})
    await track(database, clock, "ada")
    await run(watcher)
    for content in ("two", "one"):
        clock.advance(INTERVAL)
        world.edit_gist(gist, {"a.txt": content})
        await run(watcher)
    async with database.read() as transaction:
        page = await publications.page(transaction, offset=0, limit=10)
    revisions = sorted(item.revision for item in page.items)
    assert revisions == ([1, 2, 3] if on_edit is OnEdit.NEW else [1])
    assert len({item.marker for item in page.items}) == len(revisions)
    assert {item.state for item in page.items} == {PublicationState.PENDING}
