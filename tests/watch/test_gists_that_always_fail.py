"""However many gists of a user always fail, the newer ones are found in the same check."""

import asyncio
from datetime import timedelta

import pytest

from gitpip.store.database import Database
from gitpip.watch.check import Watcher
from gitpip.watch.reading import TRIED_AGAIN
from gitpip_standins import Fault
from gitpip_standins import GitHub as StandIn
from gitpip_standins.github.troubles import GistTroubles
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL
from tests.watch.test_check import run, track, user_named
from tests.watch.test_unreadable import names_of, rows_of

A_MINUTE = timedelta(minutes=1)
FAILING = 30


def publish_failing(world: StandIn, clock: Clock, number: int = FAILING) -> list[str]:
    """Gists that can't be read, published one after the other."""
    failing = []
    for index in range(number):
        clock.advance(timedelta(seconds=1))
        failing.append(world.add_gist("ada", {f"bad {index}.txt": "text"}))
        world.trouble_gist(failing[-1], GistTroubles(failing="broken"))
    return failing


def reads(world: StandIn, since: int) -> list[str]:
    """The gists that were asked for, since so many requests."""
    return [
        request.path.removeprefix("/gists/")
        for request in world.requests[since:]
        if request.path.startswith("/gists/")
    ]


@pytest.mark.parametrize("others", [False, True])
async def test_thirty_gists_that_always_fail_hide_no_newer_one(
    *, world: StandIn, watcher: Watcher, database: Database, clock: Clock, others: bool
) -> None:
    world.add_user("ada")
    if others:
        world.add_user("bob")
        world.add_gist("bob", {"bob.txt": "text"})
        await track(database, clock, "bob")
    await track(database, clock, "ada")
    await run(watcher)
    failing = publish_failing(world, clock)
    world.add_gist("ada", {"newer.txt": "text"})
    clock.advance(INTERVAL)
    check = await run(watcher)
    assert (check.failed, await names_of(database, "ada")) == (0, ["newer.txt"])
    assert {row.gist_id for row in await rows_of(database, "ada")} == set(failing)
    for number in range(4):
        # All of them are due again, and the new one comes first.
        clock.now = max(row.next_try_at for row in await rows_of(database, "ada"))
        new = world.add_gist("ada", {f"new {number}.txt": "text"})
        before = len(world.requests)
        assert (await run(watcher)).failed == 0
        assert (await names_of(database, "ada"))[-1] == f"new {number}.txt"
        asked = reads(world, before)
        assert asked[0] == new
        assert 1 < len(asked) <= 1 + TRIED_AGAIN
    assert (await user_named(database, "ada")).failure is None


@pytest.mark.parametrize("known", [0, 1])
async def test_one_gist_of_another_user_that_always_fails_is_not_githubs_trouble(
    *, world: StandIn, watcher: Watcher, database: Database, clock: Clock, known: int
) -> None:
    for login in ("ada", "bob"):
        world.add_user(login)
        await track(database, clock, login)
    of_bob = world.add_gist("bob", {"bob.txt": "text"})
    for number in range(known):
        world.add_gist("ada", {f"known {number}.txt": "text"})
    await run(watcher)
    world.trouble_gist(of_bob, GistTroubles(failing="broken"))
    failing = publish_failing(world, clock)
    world.add_gist("ada", {"newer.txt": "text"})
    clock.advance(INTERVAL)
    assert (await run(watcher)).failed == 0
    assert (await names_of(database, "ada"))[-1] == "newer.txt"
    assert {row.gist_id for row in await rows_of(database, "ada")} == set(failing)


async def test_each_of_many_that_fail_has_its_turn_and_one_that_is_mended_is_found(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    await track(database, clock, "ada")
    failing = publish_failing(world, clock, 12)
    clock.advance(INTERVAL)
    await run(watcher)
    before = len(world.requests)
    checks = 0
    while set(reads(world, before)) != set(failing):
        user = await user_named(database, "ada")
        assert user.next_check_at > clock(), "it would be checked without end"
        clock.now = user.next_check_at
        await run(watcher)
        checks += 1
    assert checks <= len(failing) / TRIED_AGAIN + 1
    world.trouble_gist(failing[0], GistTroubles())
    while "bad 0.txt" not in await names_of(database, "ada"):
        clock.now = (await user_named(database, "ada")).next_check_at
        await run(watcher)
    assert len(await rows_of(database, "ada")) == len(failing) - 1
    for gist_id in failing:
        world.trouble_gist(gist_id, GistTroubles())
    clock.advance(timedelta(days=1))
    # Once one of them can be read, all are.
    await run(watcher)
    assert len(await names_of(database, "ada")) == len(failing)
    assert await rows_of(database, "ada") == ()


async def test_failures_of_other_users_gists_show_trouble_of_github(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    for login in ("ada", "bob"):
        world.add_user(login)
        await track(database, clock, login)
    shown = [world.add_gist("bob", {f"{number}.txt": "text"}) for number in range(2)]
    await run(watcher)
    for number in range(70):
        world.add_gist("ada", {f"{number}.txt": "text"})
    world.faults.script(Fault.html(200), path="^/gists/", times=None)
    clock.advance(INTERVAL)
    before = len(world.requests)
    assert (await run(watcher)).failed == 1
    asked = reads(world, before)
    assert set(asked[-2:]) == set(shown)
    assert len(asked) <= 9
    assert (await user_named(database, "ada")).failure
    world.faults.clear()
    clock.advance(A_MINUTE)
    assert (await run(watcher)).failed == 0
    assert len(await names_of(database, "ada")) == 70
    assert await rows_of(database, "ada") == ()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_read_gists_are_stored_while_older_ones_hang(
    world: StandIn,
    watcher: Watcher,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gitpip.watch.reading.STORED_AFTER", timedelta(0))
    world.add_user("ada")
    await track(database, clock, "ada")
    for number in range(4):
        clock.advance(timedelta(seconds=1))
        gist = world.add_gist("ada", {f"{number}.txt": "text"})
        if number > 1:
            world.faults.script(Fault.held(), path=f"^/gists/{gist}$", times=None)
    check = asyncio.create_task(run(watcher))
    async with asyncio.timeout(60):
        while True:
            if await names_of(database, "ada") == ["0.txt", "1.txt"]:
                break
            await asyncio.sleep(0.02)
    assert not check.done()
    world.faults.clear()
    world.faults.let_go()
    await check
    assert len(await names_of(database, "ada")) == 4
