"""Checks while GitHub refuses: limits, tokens, users it does not show, gists it does not read."""

from datetime import timedelta

import pytest

from gitpip.model import (
    UserState,
)
from gitpip.store.database import Database
from gitpip.store.gists import unreadable
from gitpip.store.status import pauses
from gitpip.store.users import users
from gitpip.watch.check import Watcher
from gitpip.watch.check_run import AFTER_THE_OTHERS
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL
from tests.watch.test_check import A_DAY, fill, run, stored, track, user_named


async def test_one_users_failure_never_stops_the_others(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    troubles = {
        "drop": Fault.drop(),
        "cut": Fault.cut(),
        "html": Fault.html(200),
        "error": Fault.error(502),
        "broken": Fault.broken_json(),
        "empty": Fault.empty(),
    }
    for login in (*troubles, "blocked", "ada", "bob"):
        user_id = world.add_user(login)
        world.add_gist(login, {"a.txt": login})
        if login in troubles:
            world.faults.script(troubles[login], path=f"^/user/{user_id}/gists", times=None)
        if login == "blocked":
            world.block_user(user_id)
    for login in (*troubles, "blocked", "nobody", "ada", "bob"):
        await track(database, clock, login)

    check = await run(watcher)

    assert (check.users, check.failed, check.gists) == (10, 8, 2)
    assert len(check.failures) == 8
    assert {line.partition(":")[0] for line in check.failures} == {*troubles, "blocked", "nobody"}
    for login in ("ada", "bob"):
        assert [file.content for file in await stored(database, login)] == [login]
    world.faults.clear()
    clock.advance(timedelta(minutes=1))
    check = await run(watcher)
    assert (check.users, check.gists) == (len(troubles), len(troubles))
    assert (await user_named(database, "drop")).failure is None


async def test_a_user_whom_github_no_longer_shows_is_checked_rarely_and_comes_back(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    user_id = world.add_user("ada")
    await track(database, clock, "ada")
    await run(watcher)
    world.hide_user(user_id, 3)
    for failures in (1, 2, 3):
        clock.advance(INTERVAL)
        await run(watcher)
        ada = await user_named(database, "ada")
        assert ada.failures == failures
        assert ada.state is (UserState.UNAVAILABLE if failures == 3 else UserState.ACTIVE)
    clock.advance(INTERVAL)
    assert not await watcher.due()
    world.add_gist("ada", {"back.txt": "back"})
    clock.advance(A_DAY)
    assert (await run(watcher)).gists == 1
    assert (await user_named(database, "ada")).state is UserState.ACTIVE


async def test_a_limit_ends_the_check_and_nobody_asks_before_it_is_over(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.limits.with_token = 20
    world.add_user("ada")
    fill(world, clock, "ada", 40)
    await track(database, clock, "ada")

    check = await run(watcher)

    assert check.ended_at is not None
    assert (check.users, check.failed) == (0, 0)
    assert "limit" in check.failures[0]
    assert len(await stored(database, "ada")) == 18
    asked = len(world.requests)
    assert asked == 20
    clock.advance(timedelta(minutes=59))
    assert not await watcher.due()
    assert await watcher.run() is None
    assert len(world.requests) == asked
    while len(await stored(database, "ada")) < 40:
        clock.advance(timedelta(minutes=61))
        assert await watcher.due()
        await run(watcher)
    assert (await user_named(database, "ada")).checked_at == clock()


async def test_a_secondary_limit_is_waited_for(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    await track(database, clock, "ada")
    world.faults.script(Fault.limited({"retry-after": "120"}))
    await run(watcher)
    assert len(world.requests) == 1
    clock.advance(timedelta(seconds=119))
    assert await watcher.run() is None
    clock.advance(timedelta(seconds=1) + AFTER_THE_OTHERS)
    assert (await run(watcher)).users == 1


async def test_a_refused_token_pauses_watching_and_is_never_left_out(
    world: StandIn, server: Server, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    await track(database, clock, "ada")
    async with GitHub(
        api_url=server.url, token="wrong", timeout=timedelta(seconds=60), now=clock
    ) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        check = await run(watcher)
        assert "token" in check.failures[0]
        assert await watcher.run() is None
        async with database.read() as transaction:
            pause = await pauses.paused(transaction, pauses.WATCHING, clock())
        assert pause is not None
        clock.advance(timedelta(minutes=5))
        await run(watcher)
    # Each refusal is confirmed by a request that costs nothing.
    assert [(request.path, request.status) for request in world.requests] == [
        ("/users/ada", 401),
        ("/rate_limit", 401),
    ] * 2


@pytest.mark.parametrize("path", ["/user/{}/gists", "/gists/"], ids=["list", "gist"])
async def test_a_401_at_one_address_only_pauses_nothing(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, path: str
) -> None:
    for login in ("ada", "bob", "cid"):
        world.add_user(login)
        await track(database, clock, login)
    await run(watcher)
    clock.advance(INTERVAL)
    gist = world.add_gist("ada", {"a.txt": "ada"})
    for login in ("bob", "cid"):
        world.add_gist(login, {"b.txt": login})
    ada = world.user_of("ada")
    assert ada
    refused = f"{path}{gist}" if path == "/gists/" else path.format(ada.id)
    world.faults.script(Fault.html(401), path=refused, times=None)
    check = await run(watcher)
    assert (check.users, check.files) == (3, 2)
    async with database.read() as transaction:
        assert not await pauses.pauses_now(transaction, clock())
        user = await users.find(transaction, "ada")
        rows = await unreadable.of_user(transaction, user.key)
    assert "401" in (user.failure or rows[0].reason)
    world.faults.clear()
    clock.advance(INTERVAL)
    assert (await run(watcher)).files == 1


async def test_a_gist_that_cannot_be_read_holds_no_other_up_and_is_read_later(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    blocked = world.add_gist("ada", {"blocked.txt": "b"})
    broken = world.add_gist("ada", {"broken.txt": "b"})
    world.add_gist("ada", {"good.txt": "g"})
    world.block_gist(blocked)
    world.faults.script(Fault.html(200), path=f"^/gists/{broken}", times=None)
    await track(database, clock, "ada")
    check = await run(watcher)
    assert check.failed == 0
    assert f"{blocked} could not be read" in check.failures[0]
    assert "and 1 more" in check.failures[0]
    assert [file.filename for file in await stored(database, "ada")] == ["good.txt"]
    world.faults.clear()
    clock.advance(timedelta(minutes=1))
    assert (await run(watcher)).failed == 0
    world.block_gist(blocked, blocked=False)
    clock.advance(INTERVAL)
    await run(watcher)
    names = [file.filename for file in await stored(database, "ada")]
    assert names == ["good.txt", "broken.txt", "blocked.txt"]
