"""What happens during a check: it ends, others change rows, others watch, some users are slow."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from gitpip.model import (
    PublicationState,
    UserState,
)
from gitpip.store.database import Database
from gitpip.store.gists import unreadable
from gitpip.store.schema import users as users_table
from gitpip.store.status import checks
from gitpip.store.users import users
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL
from tests.watch.test_check import fill, run, stored, track, user_named


async def test_a_check_that_is_cut_short_loses_and_doubles_nothing(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    fill(world, clock, "ada", 70)
    await track(database, clock, "ada", "latest:5")
    world.faults.script(Fault.hang(), path="^/gists/", times=1)
    cut = asyncio.create_task(watcher.run())
    await asyncio.to_thread(world.wait_until, lambda: bool(world.faults.injected))
    cut.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut
    assert await watcher.due()
    check = await run(watcher)
    assert check.users == 1
    files = await stored(database, "ada")
    assert len({(file.gist_id, file.filename) for file in files}) == len(files) == 70
    assert [file.publication for file in files[-6:]] == [
        PublicationState.SKIPPED,
        *[PublicationState.PENDING] * 5,
    ]
    async with database.read() as transaction:
        assert (await checks.page(transaction, offset=0, limit=9)).total == 1


async def test_a_user_removed_during_a_look_is_dropped(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    world.add_gist("ada", {"a.txt": "a"})
    ada = await track(database, clock, "ada")
    world.faults.script(Fault.held(), path="^/gists/")
    running = asyncio.create_task(run(watcher))
    await asyncio.to_thread(world.wait_until, lambda: bool(world.faults.injected))
    async with database.begin() as transaction:
        await users.remove(transaction, ada.key, clock())
    world.faults.let_go()
    check = await running
    assert (check.users, check.failed, check.gists) == (0, 0, 0)


@pytest.mark.parametrize("fault", [Fault.slow(timedelta(seconds=0.5)), Fault.html(200)])
async def test_a_pause_during_a_look_lasts(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, fault: Fault
) -> None:
    world.add_user("ada")
    world.add_gist("ada", {"a.txt": "a"})
    ada = await track(database, clock, "ada")
    world.faults.script(Fault.slow(timedelta(seconds=0.5)), path="/gists$")
    world.faults.script(fault, path="^/gists/")
    running = asyncio.create_task(run(watcher))
    await asyncio.to_thread(world.wait_until, lambda: bool(world.faults.injected))
    async with database.begin() as transaction:
        await users.change(transaction, ada.key, users.Changes(paused=True), clock())
    await running
    async with database.read() as transaction:
        assert (await users.get(transaction, ada.key)).state is UserState.PAUSED
    clock.advance(INTERVAL)
    assert not await watcher.due()


async def test_a_check_requested_during_a_check_runs_after_it(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    world.add_gist("ada", {"a.txt": "a"})
    await track(database, clock, "ada")
    world.faults.script(Fault.held(), path="^/gists/")
    running = asyncio.create_task(run(watcher))
    await asyncio.to_thread(world.wait_until, lambda: bool(world.faults.injected))
    clock.advance(timedelta(seconds=1))
    world.add_gist("ada", {"b.txt": "b"})
    async with database.begin() as transaction:
        await checks.request(transaction, clock())
    world.faults.let_go()
    await running
    assert await watcher.due()
    assert (await run(watcher)).gists == 1
    assert not await watcher.due()


async def test_two_watchers_share_the_users(
    world: StandIn, watcher: Watcher, github: GitHub, database: Database, clock: Clock
) -> None:
    for number in range(25):
        world.add_user(f"user{number}")
        world.add_gist(f"user{number}", {"a.txt": "a"})
        await track(database, clock, f"user{number}")
    other = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
    await asyncio.gather(watcher.run(), other.run())
    for number in range(25):
        assert len(await stored(database, f"user{number}")) == 1
    lists = [request for request in world.requests if request.path.endswith("/gists")]
    assert len(lists) == 25


async def test_users_who_become_due_are_looked_at_while_a_slow_one_is_read(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    for login in ("slow", "quick", "added"):
        world.add_user(login)
    for login in ("slow", "quick"):
        await track(database, clock, login)
    await run(watcher)
    clock.advance(INTERVAL)
    slow = world.user_of("slow")
    assert slow
    world.faults.script(Fault.held(), path=f"^/user/{slow.id}/gists")
    for login in ("slow", "added"):
        world.add_gist(login, {f"{login}.txt": login})
    first = world.add_gist("quick", {"first.txt": "first"})

    def paths() -> set[str]:
        return {request.path for request in world.requests}

    under_way = asyncio.create_task(run(watcher))
    await asyncio.to_thread(world.wait_until, lambda: bool(world.faults.injected))
    await asyncio.to_thread(world.wait_until, lambda: f"/gists/{first}" in paths())
    clock.advance(timedelta(seconds=5))
    again = world.add_gist("quick", {"again.txt": "again"})
    await track(database, clock, "added")
    async with database.begin() as transaction:
        await transaction.execute(
            update(users_table).where(users_table.c.login == "quick").values(next_check_at=clock())
        )

    both = {f"/gists/{again}", "/users/added"}
    await asyncio.to_thread(world.wait_until, lambda: both <= paths())
    assert not under_way.done()
    world.faults.let_go()
    check = await under_way
    assert (check.users, check.files, check.failed) == (4, 4, 0)


async def test_deleted_gists_that_github_does_not_answer_about_take_one_turn_at_most(
    world: StandIn,
    watcher: Watcher,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.add_user("ada")
    deleted = [world.add_gist("ada", {f"{number}.txt": "text"}) for number in range(12)]
    await track(database, clock, "ada")
    await run(watcher)
    for gist_id in deleted:
        world.delete_gist(gist_id)
    clock.advance(INTERVAL)
    world.faults.script(Fault.held(), path="^/gists/", times=None)
    # Only while nothing is answered: on a busy machine twelve answers take longer than this.
    with monkeypatch.context() as patch:
        patch.setattr("gitpip.watch.user_check.LONGEST_READING", timedelta(seconds=0.3))
        check = await run(watcher)
    assert (check.users, check.failed) == (1, 0)
    # Two of the four requests that may be under way are left to other users.
    assert len(world.faults.injected) == 2
    ada = await user_named(database, "ada")
    async with database.read() as transaction:
        rows = await unreadable.of_user(transaction, ada.key)
    assert {row.gist_id for row in rows} == set(deleted)
    assert all("too slowly" in row.reason for row in rows)
    world.faults.clear()
    world.faults.let_go()
    clock.advance(timedelta(minutes=1))
    await run(watcher)
    assert (await user_named(database, "ada")).unreadable == 0
    assert all(file.removed_at for file in await stored(database, "ada"))
