"""What watching sees to happen is kept as events, in the transaction that stores it."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from gitpip.model import UserState
from gitpip.store import events
from gitpip.store.database import Database
from gitpip.store.events import Event, EventsWanted
from gitpip.store.schema import users as users_table
from gitpip.store.schema_events import EventKind
from gitpip.store.status import pauses
from gitpip.watch.check import Watcher
from gitpip.watch.check_run import AFTER_THE_OTHERS
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from gitpip_standins.github.troubles import GistTroubles
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.crowd import add_users, track_identified
from tests.watch.test_check import run, track


async def told(database: Database) -> list[Event]:
    return list(await events.latest(database, EventsWanted(), limit=500))


async def kinds(database: Database) -> list[str]:
    return [str(event.kind) for event in await told(database)]


async def make_everybody_due(database: Database, clock: Clock) -> None:
    async with database.begin() as transaction:
        await transaction.execute(update(users_table).values(next_check_at=clock()))


async def test_what_happens_to_gists(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    first = world.add_gist("ada", {"a.txt": "1", "b.txt": "2"})
    second = world.add_gist("ada", {"c.txt": "3"})
    await track(database, clock, "ada")
    await run(watcher)
    clock.advance(INTERVAL)
    world.edit_gist(first, {"a.txt": "4", "b.txt": None})
    await run(watcher)
    clock.advance(INTERVAL)
    world.delete_gist(second)
    await run(watcher)
    happened = await told(database)
    assert [(str(event.kind), event.gist_id, event.detail) for event in happened] == [
        ("user.added", None, None),
        ("gist.found", first, "a.txt, b.txt"),
        ("gist.found", second, "c.txt"),
        ("file.removed", first, "b.txt"),
        ("gist.edited", first, "a.txt"),
        ("gist.deleted", second, None),
    ]
    assert {event.login for event in happened} == {"ada"}
    assert [event.happened_at for event in happened][1] == happened[2].happened_at


async def test_an_unreadable_gist_is_one_event(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    blocked = world.add_gist("ada", {"a.txt": "1"})
    world.block_gist(blocked, status=451)
    await track(database, clock, "ada")
    for _ in range(3):
        await run(watcher)
        clock.advance(INTERVAL)
    (unread,) = [event for event in await told(database) if event.kind == "gist.unreadable"]
    assert unread.gist_id == blocked
    assert "451" in str(unread.detail)


async def test_a_part_of_a_list_that_can_not_be_read_is_told_once(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    nameless = world.add_gist("ada", {"a.txt": "1"})
    world.trouble_gist(nameless, GistTroubles(odd="no-id"))
    await track(database, clock, "ada")
    for _ in range(2):
        await run(watcher)
        clock.advance(INTERVAL)
    (unread,) = [event for event in await told(database) if event.kind == "gist.unreadable"]
    assert (unread.login, unread.gist_id) == ("ada", None)
    told_of = "a part of the list of gists: items without an id: id: is missing"
    assert told_of in str(unread.detail)


async def test_two_processes_that_see_the_same_at_once_tell_it_once(
    world: StandIn, watcher: Watcher, github: GitHub, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    first = world.add_gist("ada", {"a.txt": "1", "b.txt": "2"})
    second = world.add_gist("ada", {"c.txt": "3"})
    await track(database, clock, "ada")
    await run(watcher)
    world.edit_gist(first, {"b.txt": None})
    world.delete_gist(second)
    async with database.begin() as transaction:
        await transaction.execute(update(users_table).values(state=UserState.UNAVAILABLE.value))
    clock.advance(INTERVAL)
    world.faults.script(Fault.held(), path=f"^/gists/{second}$")
    slow = asyncio.create_task(run(watcher))
    await asyncio.to_thread(world.wait_until, lambda: bool(world.faults.injected))
    # The first one loses its claim, as where its process stands still for long.
    async with database.begin() as transaction:
        await transaction.execute(update(users_table).values(claimed_by=None, claimed_until=None))
    await run(Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock))
    world.faults.let_go()
    await slow
    assert sorted((await kinds(database))[3:]) == ["file.removed", "gist.deleted", "user.available"]


async def test_a_user_becomes_unavailable_and_available_again(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    user_id = world.add_user("ada")
    await track(database, clock, "ada")
    await run(watcher)
    world.hide_user(user_id, 100)
    for _ in range(5):
        clock.advance(timedelta(days=1))
        await run(watcher)
    assert await kinds(database) == ["user.added", "user.unavailable"]
    world.hide_user(user_id, 0)
    await make_everybody_due(database, clock)
    await run(watcher)
    assert await kinds(database) == ["user.added", "user.unavailable", "user.available"]


@pytest.mark.long
async def test_a_pause_that_goes_on_is_told_once_and_its_end(
    world: StandIn, server: Server, database: Database, clock: Clock
) -> None:
    await track_identified(database, world, clock, add_users(world, 20))
    world.faults.script(Fault.error(502), path="^/graphql", times=None)
    async with sweeping(server, clock) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        for _ in range(4):
            await run(watcher)
            async with database.read() as transaction:
                pause = await pauses.paused(transaction, pauses.SWEEPING, clock())
            assert pause
            clock.advance(pause.until - clock())
            await make_everybody_due(database, clock)
        assert await kinds(database) == ["sweeping.paused"]
        world.faults.clear()
        await run(watcher)
        assert await kinds(database) == ["sweeping.paused", "sweeping.resumed"]


@pytest.mark.parametrize(
    ("name", "both"),
    [
        (pauses.READING, [EventKind.READING_PAUSED, EventKind.READING_RESUMED]),
        (pauses.WATCHING, [EventKind.WATCHING_PAUSED, EventKind.WATCHING_RESUMED]),
    ],
)
async def test_a_pause_after_an_answer_is_a_new_one(
    world: StandIn,
    server: Server,
    database: Database,
    clock: Clock,
    name: str,
    both: list[EventKind],
) -> None:
    [login] = add_users(world, 1)
    await track_identified(database, world, clock, [login])
    graphql_url = f"{server.url}/graphql" if name == pauses.READING else None
    async with GitHub(
        api_url=server.url, graphql_url=graphql_url, token=TOKEN, timeout=INTERVAL, now=clock
    ) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        for number in range(2):
            world.add_gist(login, {f"{number}.txt": "new"})
            world.faults.script(Fault.limited({"retry-after": "60"}), path="gists")
            await run(watcher)
            async with database.read() as transaction:
                pause = await pauses.paused(transaction, name, clock())
            assert pause
            assert pause.since == clock()
            clock.advance(pause.until - clock() + AFTER_THE_OTHERS)
            await run(watcher)
            await make_everybody_due(database, clock)
    happened = [kind for kind in await kinds(database) if kind.startswith(name)]
    assert happened == both * 2
