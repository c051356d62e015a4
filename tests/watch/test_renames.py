"""A rename is followed in the same way by both kinds of checks; another case alone is none."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from gitpip.store import events
from gitpip.store.database import Database
from gitpip.store.events import EventsWanted
from gitpip.store.schema_events import EventKind
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL, client, sweeping
from tests.watch.test_check import run, track, user_named


@pytest.fixture(params=["REST", "GraphQL"])
async def github(
    server: Server, clock: Clock, request: pytest.FixtureRequest
) -> AsyncIterator[GitHub]:
    made = client(server.url, clock) if request.param == "REST" else sweeping(server, clock)
    async with made as github:
        yield github


async def renames(database: Database) -> list[str | None]:
    """What the events say about renames."""
    happened = await events.latest(database, EventsWanted(), limit=500)
    return [one.detail for one in happened if one.kind is EventKind.USER_RENAMED]


async def test_another_case_is_no_rename_but_the_spelling_follows(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    ada = world.add_user("ada")
    world.add_gist("ada", {"a.txt": "a"})
    await track(database, clock, "ada")
    await run(watcher)
    with capture_logs() as logged:
        world.rename(ada, "Ada")
        clock.advance(INTERVAL)
        await run(watcher)
        spelled = await user_named(database, "ada")
        world.rename(ada, "countess")
        clock.advance(INTERVAL)
        await run(watcher)
    assert (spelled.login, spelled.former_login) == ("Ada", None)
    assert await renames(database) == ["formerly Ada"]
    told = [line for line in logged if line["event"] == "user.renamed"]
    assert [(line["login"], line["old_login"]) for line in told] == [("countess", "Ada")]


async def test_a_login_that_another_user_still_has_is_waited_for(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    bob, ada = world.add_user("bob"), world.add_user("ada")
    for login in ("bob", "ada"):
        world.add_gist(login, {f"{login}.txt": login})
        await track(database, clock, login)
    await run(watcher)
    world.rename(ada, "countess")
    world.rename(bob, "ada")  # bob was added first, and comes first
    for _ in range(2):
        clock.advance(INTERVAL)
        await run(watcher)
    assert (await user_named(database, "countess")).github_id == ada
    assert (await user_named(database, "ada")).github_id == bob
    assert sorted(map(str, await renames(database))) == ["formerly ada", "formerly bob"]
