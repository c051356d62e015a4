"""The public feed over a real socket: it hints at the right users, at one request a minute."""

from collections.abc import AsyncIterator

import pytest

from gitpip.backfill import Backfill
from gitpip.store.database import Database
from gitpip.store.gists import public_feed as feed_rows
from gitpip.store.users import users
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.public_feed import READ_EVERY, PublicFeed
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL, sweeping


@pytest.fixture
async def github(server: Server, clock: Clock) -> AsyncIterator[GitHub]:
    async with sweeping(server, clock) as github:
        yield github


@pytest.fixture
def feed(database: Database, github: GitHub, clock: Clock) -> PublicFeed:
    return PublicFeed(database, github, now=clock)


async def track(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, *logins: str
) -> None:
    for login in logins:
        world.add_user(login)
        async with database.begin() as transaction:
            await users.add(
                transaction,
                login,
                external_id=login,
                account=None,
                backfill=Backfill.parse("all"),
                now=clock(),
            )
    await watcher.run()


async def test_a_gist_in_the_feed_makes_its_owner_due_at_once(
    world: StandIn, watcher: Watcher, feed: PublicFeed, database: Database, clock: Clock
) -> None:
    await track(world, watcher, database, clock, "ada", "bob")
    world.add_user("stranger")
    world.add_gist("stranger", {"s.txt": "s"})
    assert await feed.read() == 0
    assert not await watcher.due()
    clock.advance(READ_EVERY)
    world.add_gist("ada", {"a.txt": "a"})
    before = len(world.requests)
    assert await feed.read() == 1
    assert len(world.requests) == before + 1
    assert await watcher.due()
    check = await watcher.run()
    assert check
    assert (check.users, check.files) == (1, 1)
    # The batch poll has nothing to say about the users that the feed names.
    assert all(request.path != "/graphql" for request in world.requests[before:])
    assert not await watcher.due()
    clock.advance(READ_EVERY)
    assert await feed.read() == 0
    assert world.requests[-1].status == 304


async def test_a_gap_widens_the_reading_and_is_recorded(
    world: StandIn, watcher: Watcher, feed: PublicFeed, database: Database, clock: Clock
) -> None:
    await track(world, watcher, database, clock, "ada")
    world.add_user("crowd")
    world.add_gist("crowd", {"first.txt": "f"})
    await feed.read()
    world.add_gist("ada", {"a.txt": "a"})
    for number in range(250):
        world.add_gist("crowd", {f"{number}.txt": "c"})
    clock.advance(READ_EVERY)
    assert await feed.read() == 1
    async with database.read() as transaction:
        state = await feed_rows.get(transaction)
    assert state
    assert (state.gaps, state.hints) == (0, 1)
    for gist in world.all_gists():
        world.delete_gist(gist.id)
    world.add_gist("crowd", {"again.txt": "c"})
    clock.advance(READ_EVERY)
    await feed.read()
    async with database.read() as transaction:
        state = await feed_rows.get(transaction)
    assert state
    assert (state.gaps, state.gap_at) == (1, clock())


async def test_a_feed_that_fails_does_no_harm_and_is_read_on(
    world: StandIn, watcher: Watcher, feed: PublicFeed, database: Database, clock: Clock
) -> None:
    await track(world, watcher, database, clock, "ada")
    await feed.read()
    world.faults.script(
        Fault.html(200), Fault.broken_json(), Fault.drop(), Fault.error(500), path="/gists/public"
    )
    world.add_gist("ada", {"a.txt": "a"})
    hinted = []
    for _ in range(4):
        clock.advance(READ_EVERY)
        hinted.append(await feed.read())
    assert sum(hinted) == 1


@pytest.mark.long
async def test_the_feed_keeps_its_requests_when_reading_has_used_up_its_own(
    world: StandIn, server: Server, database: Database, clock: Clock
) -> None:
    world.limits.with_token = 100
    async with sweeping(server, clock) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        feed = PublicFeed(database, github, now=clock)
        world.add_user("ada")
        for number in range(90):
            world.add_gist("ada", {f"{number}.txt": "a"})
        async with database.begin() as transaction:
            await users.add(
                transaction,
                "ada",
                external_id="1",
                account=None,
                backfill=Backfill.parse("all"),
                now=clock(),
            )
        await watcher.run()
        window = world.limits.window("#0", "core", clock())
        assert window
        assert window.used == 40
        for _ in range(59):
            clock.advance(READ_EVERY)
            world.add_gist("ada", {"more.txt": "a"})
            await feed.read()
        assert window.used == 99
