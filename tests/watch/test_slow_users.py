"""Users whose contents hang: the others are as fresh as without them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, event, select

from gitpip.model import User, UserKey
from gitpip.store.database import Database, Transaction
from gitpip.store.gists import gists
from gitpip.store.schema import users as users_table
from gitpip.store.users import schedule
from gitpip.watch.check import Watcher
from gitpip.watch.github.graphql import Snapshot
from gitpip.watch.lanes import SLOW_CHECK, USERS_REMEMBERED, Lanes, SlowUsers
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.crowd import add_users, id_of, track_identified
from tests.watch.test_decide import user as decided_user

pytestmark = pytest.mark.long

USERS = 40
SLOW = 4
"""Their contents alone, two side by side each, take every request that may be under way."""


async def _wait_until(database: Database, holds: Callable[[Transaction], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            async with database.read() as transaction:
                if await holds(transaction):
                    return
            await asyncio.sleep(0.05)


async def _wait_for_files(database: Database, wanted: int) -> None:
    async def are_there(transaction: Transaction) -> bool:
        return (await gists.page(transaction, offset=0, limit=1)).total >= wanted

    await _wait_until(database, are_there)


async def _transactions(number: int) -> None:
    """Until so many more have begun."""
    begun, enough = 0, asyncio.Event()

    def count(_: Connection) -> None:
        nonlocal begun
        begun += 1
        if begun == number:
            enough.set()

    event.listen(Engine, "begin", count)
    try:
        async with asyncio.timeout(60):
            await enough.wait()
    finally:
        event.remove(Engine, "begin", count)


async def _wait_for_one_put_back(database: Database, now: datetime) -> None:
    """Until a user is due in a moment, since GitHub asked to wait."""
    soon = users_table.c.next_check_at.between(now, now + timedelta(minutes=1))
    later = select(users_table.c.key).where(soon, users_table.c.claimed_by.is_(None))

    async def is_there(transaction: Transaction) -> bool:
        return (await transaction.execute(later)).first() is not None

    await _wait_until(database, is_there)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_users_whose_contents_hang_leave_the_others_as_fresh(
    world: StandIn, server: Server, database: Database, clock: Clock
) -> None:
    logins = add_users(world, USERS)
    slow, others = logins[:SLOW], logins[SLOW:]
    await track_identified(database, world, clock, logins)

    def publish(fault: Fault) -> None:
        """Everybody publishes; the contents of the slow users meet a fault."""
        for login in slow:
            for number in range(2):
                gist = world.add_gist(login, {f"{number}.txt": login})
                world.faults.script(fault, path=f"^/gists/{gist}$", times=None)
        for login in others:
            world.add_gist(login, {"new.txt": login})
        clock.advance(INTERVAL)

    async with sweeping(server, clock) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        publish(Fault.slow(SLOW_CHECK + timedelta(seconds=0.5)))
        await watcher.run()
        known = len(others) + 2 * SLOW
        publish(Fault.held())
        check = asyncio.create_task(watcher.run())
        # While the slow ones hang, everybody else's gists are found.
        await _wait_for_files(database, known + len(others))
        assert not check.done()
        world.faults.let_go()
        await check
        await _wait_for_files(database, 2 * known)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_many_users_that_hang_when_they_are_met_first_hold_up_nobody(
    world: StandIn,
    server: Server,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Far longer than a check that is answered takes, also on a busy machine.
    monkeypatch.setattr("gitpip.watch.lanes.SLOW_CHECK", timedelta(seconds=2))
    logins = add_users(world, USERS)
    await track_identified(database, world, clock, logins)
    slow, others = logins[: 2 * SLOW], logins[2 * SLOW :]
    for login in logins:
        gist = world.add_gist(login, {"new.txt": login})
        if login in slow:
            world.faults.script(Fault.held(), path=f"^/gists/{gist}$", times=None)
    clock.advance(INTERVAL)
    async with sweeping(server, clock) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        check = asyncio.create_task(watcher.run())
        await _wait_for_files(database, len(others))
        assert not check.done()
        world.faults.clear()
        world.faults.let_go()
        await check
        await _wait_for_files(database, len(logins))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_check_ends_though_users_are_hinted_at_after_github_asked_to_wait(
    world: StandIn,
    server: Server,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wait is over, and a slow check is not: it must not take them again and again."""
    monkeypatch.setattr("gitpip.watch.lanes.SLOW_CHECK", timedelta(seconds=0.2))
    monkeypatch.setattr("gitpip.watch.check_run.CLAIMED_AGAIN_AFTER", timedelta(seconds=0.01))
    logins = add_users(world, 8)
    await track_identified(database, world, clock, logins)
    gists_of = [world.add_gist(login, {"new.txt": login}) for login in logins]
    world.faults.script(Fault.held(), path=f"^/gists/{gists_of[0]}$")
    world.faults.script(Fault.limited({"retry-after": "1"}), path=f"^/gists/{gists_of[1]}$")
    async with sweeping(server, clock) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        check = asyncio.create_task(watcher.run())
        await _wait_for_one_put_back(database, clock() + timedelta(milliseconds=1))
        async with database.begin() as transaction:
            await schedule.hint(transaction, [id_of(world, login) for login in logins], clock())
        clock.advance(timedelta(seconds=5))
        # In each round the check looks who is due; it ends at once if GitHub asked to wait before
        # the first gist was requested.
        rounds = asyncio.create_task(_transactions(20))
        await asyncio.wait({rounds, check}, return_when=asyncio.FIRST_COMPLETED)
        rounds.cancel()
        world.faults.let_go()
        async with asyncio.timeout(30):
            await check
        await watcher.run()
    await _wait_for_files(database, len(logins))


async def test_a_user_can_be_claimed_anew_while_a_check_of_it_ends() -> None:
    """A hint that comes then makes the user due at once; it must not end the whole check."""
    user, under_way, both = decided_user(), 0, asyncio.Event()

    async def check(_: User, __: Snapshot | None) -> None:
        nonlocal under_way
        under_way += 1
        if under_way == 2:
            both.set()
        await both.wait()

    lanes = Lanes(check, SlowUsers())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lanes.run())
        for _ in range(2):
            await lanes.put(user, None)
        assert await lanes.all_end(timedelta(minutes=1))
        await lanes.close()
    assert not lanes.any_slow


async def test_no_user_is_put_aside_if_all_are_slow() -> None:
    slow = SlowUsers()
    slow.note(UserKey(1), slow=True)
    assert UserKey(1) in slow
    for key in range(2, USERS_REMEMBERED):
        slow.note(UserKey(key), slow=True)
    assert UserKey(1) not in slow
    slow.note(UserKey(1), slow=False)
    for key in range(USERS_REMEMBERED):
        slow.note(UserKey(key + 1000), slow=False)
    assert UserKey(1) not in slow
    assert UserKey(2) in slow
