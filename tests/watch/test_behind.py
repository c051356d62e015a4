"""One of GitHub's APIs shows what another one does not show yet: nothing is missed for that."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gitpip.model import User
from gitpip.store.database import Database
from gitpip.store.gists import unreadable
from gitpip.store.status.lists_read import lists
from gitpip.store.users.schedule import LISTED_EVERY, completeness
from gitpip.watch.check import Watcher
from gitpip.watch.decide import LONGEST_LAG
from gitpip.watch.github.client import GitHub
from gitpip.watch.public_feed import PublicFeed
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.crowd import files_of
from tests.watch.test_check import run, stored, track, user_named
from tests.watch.test_unreadable import rows_of

pytestmark = pytest.mark.long

A_MINUTE = timedelta(minutes=1)


@pytest.fixture
async def github(server: Server, clock: Clock) -> AsyncIterator[GitHub]:
    async with sweeping(server, clock) as github:
        yield github


async def checks_until_idle(watcher: Watcher, clock: Clock, *, within: timedelta) -> int:
    """Let the time pass second by second, and check whenever somebody is due."""
    checked = 0
    for _ in range(int(within.total_seconds())):
        clock.advance(timedelta(seconds=1))
        if await watcher.due():
            checked += 1
            await run(watcher)
    return checked


async def _known(world: StandIn, watcher: Watcher, database: Database, clock: Clock) -> list[str]:
    """A user whose gists are known, and who has the batch poll's mark."""
    world.add_user("ada")
    ids = [world.add_gist("ada", {"1.txt": "one"}), world.add_gist("ada", {"2.txt": "two"})]
    clock.advance(A_MINUTE)
    await track(database, clock, "ada")
    for _ in range(2):
        await run(watcher)
        clock.advance(INTERVAL)
    assert (await run(watcher)).unchanged == 1
    return ids


async def _ada(database: Database) -> User:
    return await user_named(database, "ada")


@pytest.mark.parametrize("seconds", [10, 120])
async def test_a_new_file_in_an_old_gist_is_stored_although_rest_is_behind_graphql(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, seconds: int
) -> None:
    old, _ = await _known(world, watcher, database, clock)
    world.lists.behind = timedelta(seconds=seconds)
    clock.advance(INTERVAL - timedelta(seconds=5))
    before = (await _ada(database)).complete_until
    world.edit_gist(old, {"new.txt": "new"})
    clock.advance(timedelta(seconds=5))

    await run(watcher)

    assert f"{old}/new.txt" not in await files_of(database, "ada")
    (row,) = await rows_of(database, "ada")
    assert row.filename == unreadable.DOUBT
    assert "GraphQL shows an update" in row.reason
    assert (await _ada(database)).complete_until == before
    checked = await checks_until_idle(watcher, clock, within=timedelta(seconds=2 * seconds))
    assert f"{old}/new.txt" in await files_of(database, "ada")
    assert await rows_of(database, "ada") == ()
    assert checked <= 7
    clock.advance(INTERVAL)
    assert (await run(watcher)).unchanged == 1


async def test_a_new_gist_that_only_graphql_shows_is_found_once_rest_lists_it(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    await _known(world, watcher, database, clock)
    world.lists.behind = timedelta(seconds=30)
    clock.advance(INTERVAL)
    new = world.add_gist("ada", {"new.txt": "new"})
    clock.advance(timedelta(seconds=3))
    await run(watcher)
    (row,) = await rows_of(database, "ada")
    assert f"GraphQL names gist {new}" in row.reason
    await checks_until_idle(watcher, clock, within=A_MINUTE)
    assert f"{new}/new.txt" in await files_of(database, "ada")


async def test_a_count_above_the_list_is_a_doubt_that_holds_the_time_back(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    await _known(world, watcher, database, clock)
    before = (await _ada(database)).complete_until
    user = world.user_of("ada")
    assert user
    world.graphql.users[user.id] = "more"
    clock.advance(INTERVAL)
    await run(watcher)
    (row,) = await rows_of(database, "ada")
    assert "GraphQL counts 3 gists, and the list of gists shows 2" in row.reason
    async with database.read() as transaction:
        held = await unreadable.furthest_behind(transaction)
    assert held
    assert (held.login, held.reason) == ("ada", f"the list of gists: {row.reason}")
    assert (await _ada(database)).complete_until == before
    world.graphql.users.clear()
    await checks_until_idle(watcher, clock, within=timedelta(seconds=10))
    assert await rows_of(database, "ada") == ()
    assert (await _ada(database)).complete_until != before


async def test_a_doubt_that_lasts_is_looked_into_ever_more_rarely(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    await _known(world, watcher, database, clock)
    user = world.user_of("ada")
    assert user
    world.graphql.users[user.id] = "more"
    clock.advance(INTERVAL)
    await run(watcher)
    checked = await checks_until_idle(watcher, clock, within=10 * A_MINUTE)
    assert checked <= 8


async def test_a_surplus_that_stays_is_told_and_costs_ever_less(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    await _known(world, watcher, database, clock)
    before = (await _ada(database)).complete_until
    user = world.user_of("ada")
    assert user
    world.graphql.users[user.id] = "more"
    clock.advance(timedelta(days=8))  # who had news lately is checked more often
    await run(watcher)
    began, waits = clock(), []
    while clock() - began < timedelta(days=1):
        due_at = (await _ada(database)).next_check_at
        waits.append(due_at - clock())
        clock.now = due_at
        asked = len(world.requests)
        await run(watcher)
        assert sum(request.spent for request in world.requests[asked:]) <= 2
    assert waits[0] <= timedelta(seconds=5)
    assert sum(wait < A_MINUTE for wait in waits) <= 5
    assert sum(wait < timedelta(hours=1) for wait in waits) <= 12
    # From then on it costs no more than any other user: a point, and a list, at each interval.
    assert len(waits) <= 12 + timedelta(days=1) / INTERVAL + 3
    (row,) = await rows_of(database, "ada")
    assert "GraphQL counts 3 gists, and the list of gists shows 2" in row.reason
    assert (row.next_try_at - clock()) > timedelta(hours=1)
    assert (await _ada(database)).complete_until == before


@pytest.mark.parametrize("seconds", [4, 100])
async def test_a_listed_gist_that_nobody_knows_yet_is_asked_for_again_in_seconds(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, seconds: int
) -> None:
    await _known(world, watcher, database, clock)
    world.lists.gists_behind = timedelta(seconds=seconds)
    clock.advance(INTERVAL)
    before = (await _ada(database)).complete_until
    new = world.add_gist("ada", {"new.txt": "new"})
    clock.advance(timedelta(seconds=3))
    await run(watcher)
    (row,) = await rows_of(database, "ada")
    assert row.gist_id == new
    assert (row.next_try_at - clock()).total_seconds() <= 5
    assert (await _ada(database)).complete_until == before
    await checks_until_idle(watcher, clock, within=timedelta(seconds=2 * seconds + 5))
    assert f"{new}/new.txt" in await files_of(database, "ada")
    assert await rows_of(database, "ada") == ()


async def test_a_new_file_is_read_by_its_address_where_the_gist_is_behind_its_list(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    old, _ = await _known(world, watcher, database, clock)
    world.lists.gists_behind = A_MINUTE
    clock.advance(INTERVAL)
    world.edit_gist(old, {"1.txt": "edited", "new.txt": "new"})
    clock.advance(timedelta(seconds=3))
    await run(watcher)
    files = {file.filename: file for file in await stored(database, "ada")}
    assert (files["1.txt"].content, files["new.txt"].content) == ("edited", "new")
    assert await rows_of(database, "ada") == ()


async def test_the_time_of_completeness_is_githubs_minus_the_lag_of_lists(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    await _known(world, watcher, database, clock)
    assert world.requests[-1].path == "/graphql"
    async with database.read() as transaction:
        known = await completeness(transaction)
    assert known.complete_until == world.requests[-1].at - LONGEST_LAG


async def test_lists_are_read_by_rest_once_a_week_whatever_graphql_shows(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    await _known(world, watcher, database, clock)
    hidden = world.add_gist("ada", {"hidden.txt": "GraphQL does not show it"})
    world.graphql.not_shown.add(hidden)
    clock.advance(INTERVAL)
    assert (await run(watcher)).unchanged == 1
    assert f"{hidden}/hidden.txt" not in await files_of(database, "ada")
    clock.advance(LISTED_EVERY)
    async with database.read() as transaction:
        assert (await lists(transaction, clock())).waiting == 1
    await run(watcher)
    assert f"{hidden}/hidden.txt" in await files_of(database, "ada")
    async with database.read() as transaction:
        after = await lists(transaction, clock())
    assert (after.waiting, after.oldest) == (0, clock())


@pytest.mark.parametrize("used", [0, 3000])
async def test_a_list_is_read_only_with_requests_to_spare(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, used: int
) -> None:
    ids = await _known(world, watcher, database, clock)
    bob = world.add_user("bob")
    world.add_gist("bob", {"bob.txt": "text"})
    clock.advance(A_MINUTE)
    await track(database, clock, "bob")
    await run(watcher)
    clock.advance(LISTED_EVERY + INTERVAL)
    world.limits.charge("#0", "core", clock(), used)
    world.star(ids[0])
    clock.advance(A_MINUTE)
    before = len(world.requests)
    await run(watcher)
    lists_of_bob = [r for r in world.requests[before:] if r.path == f"/user/{bob}/gists"]
    assert len(lists_of_bob) == (0 if used else 1)


async def test_a_gist_in_the_feed_is_found_once_the_list_shows_it(
    world: StandIn, watcher: Watcher, github: GitHub, database: Database, clock: Clock
) -> None:
    await _known(world, watcher, database, clock)
    feed = PublicFeed(database, github, now=clock)
    await feed.read()
    world.lists.behind = timedelta(seconds=30)
    clock.advance(A_MINUTE)
    new = world.add_gist("ada", {"new.txt": "new"})
    clock.advance(timedelta(seconds=3))
    assert await feed.read() == 1
    await run(watcher)
    assert f"{new}/new.txt" not in await files_of(database, "ada")
    await checks_until_idle(watcher, clock, within=A_MINUTE)
    assert f"{new}/new.txt" in await files_of(database, "ada")
