"""GitHub's limits among several processes: a successor knows what the others used and were told."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from gitpip.clock import utc_now
from gitpip.errors import DatabaseUnavailable, GitHubLimited
from gitpip.store.database import Database, open_database
from gitpip.store.gists import unreadable
from gitpip.store.users import schedule, users
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.rate_limits import Allowance
from gitpip.watch.github.shared_limits import SharedLimits
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL
from tests.watch.crowd import add_users, track_identified

REPLICAS = 3
USERS = 110
SHARE = 0.05
"""Of 900 requests a minute, so 45; and the minute lasts three seconds."""


@asynccontextmanager
async def replica(
    server: Server,
    database: Database,
    now: Callable[[], datetime],
    *,
    token: str = TOKEN,
    share: float = 1.0,
) -> AsyncIterator[GitHub]:
    async with GitHub(
        api_url=server.url,
        token=token,
        timeout=timedelta(seconds=60),
        allowance=Allowance(share, SharedLimits(database, now), minute=timedelta(seconds=3)),
        now=now,
    ) as github:
        yield github


@pytest.mark.parametrize("limit", ["hourly", "secondary"])
async def test_a_wait_that_github_asked_for_is_known_to_a_successor(
    world: StandIn, server: Server, database: Database, clock: Clock, limit: str
) -> None:
    world.tokens["another"] = "somebody-else"
    world.add_user("ada")
    if limit == "hourly":
        world.limits.with_token = 1
    else:
        world.faults.script(Fault.limited({"retry-after": "90"}))
    async with replica(server, database, clock) as first:
        if limit == "hourly":
            await first.account("ada")
        with pytest.raises(GitHubLimited) as told:
            await first.account("ada")
    asked = len(world.requests)
    async with replica(server, database, clock) as successor:
        with pytest.raises(GitHubLimited) as known:
            await successor.account("ada")
    assert known.value.until == told.value.until
    assert len(world.requests) == asked
    # The limits are those of one token.
    async with replica(server, database, clock, token="another") as other:
        await other.account("ada")
    clock.advance(known.value.until - clock())
    world.limits.reset()
    async with replica(server, database, clock) as later:
        await later.account("ada")


async def test_waits_grow_on_after_a_restart_until_github_answers(
    world: StandIn, server: Server, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    waits = []
    for _ in range(4):
        world.faults.script(Fault.limited({"retry-after": "0"}))
        async with replica(server, database, clock) as github:
            with pytest.raises(GitHubLimited) as limited:
                await github.account("ada")
            waits.append((limited.value.until - clock()).total_seconds())
            clock.advance(limited.value.until - clock())
    assert waits == [1, 2, 4, 8]
    async with replica(server, database, clock) as github:
        await github.account("ada")
    world.faults.script(Fault.limited({"retry-after": "0"}))
    async with replica(server, database, clock) as github:
        with pytest.raises(GitHubLimited) as limited:
            await github.account("ada")
    assert limited.value.until - clock() == timedelta(seconds=1)


@pytest.mark.long
async def test_replicas_that_are_killed_now_and_then_hit_no_secondary_limit(
    database: Database,
) -> None:
    chance = random.Random(20260725)
    most = int(900 * SHARE)
    world = StandIn(tokens={TOKEN}, points_a_minute=most, limit_with_token=100_000)
    # Shorter than the replicas believe: what is under way on a busy machine must not count twice.
    world.limits.minute = timedelta(seconds=2)
    clock = Clock()
    clock.now = utc_now() - timedelta(minutes=1)
    await track_identified(database, world, clock, add_users(world, USERS))
    stop = asyncio.Event()

    async def live(server: Server) -> None:
        async with replica(server, database, utc_now, share=SHARE) as github:
            await Watcher(database, github, rules=Rules(interval=INTERVAL)).run()

    async def live_and_die_again(server: Server) -> None:
        while not stop.is_set():
            life = asyncio.create_task(live(server))
            await asyncio.wait({life}, timeout=chance.uniform(0.3, 1))
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)

    async def until_everybody_is_checked() -> None:
        while True:
            async with database.read() as transaction:
                if (await schedule.completeness(transaction)).unread == 0:
                    stop.set()
                    return
            await asyncio.sleep(0.1)

    with Server(world.app) as server:
        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
            for _ in range(REPLICAS):
                tasks.create_task(live_and_die_again(server))
            tasks.create_task(until_everybody_is_checked())
    assert {request.status for request in world.requests} <= {200, 304, None}
    assert world.abuse == []
    assert len(world.requests) > 2 * most


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_database_that_fails_while_a_gist_is_read_is_no_fault_of_the_gist(
    world: StandIn,
    server: Server,
    database: Database,
    clock: Clock,
    tmp_path: Path,
    migrated_file: Path,
) -> None:
    await track_identified(database, world, clock, add_users(world, 1))
    file = shutil.copy(migrated_file, tmp_path / "limits.sqlite3")
    limits = open_database(f"sqlite+aiosqlite:///{file}")
    async with replica(server, limits, clock) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        assert await watcher.run()
        world.add_gist("user-0", {"a.txt": "text"})
        clock.advance(INTERVAL)
        # Only the wait that GitHub asks for is to be written.
        world.faults.script(Fault.limited({"retry-after": "90"}), path="^/gists/")
        async with limits.begin() as transaction:
            await transaction.execute(text("DROP TABLE github_limits"))
        with pytest.raises(DatabaseUnavailable):
            await watcher.run()
        async with database.read() as transaction:
            user = await users.find(transaction, "user-0")
            assert await unreadable.of_user(transaction, user.key) == ()
        assert user.failure is None
    await limits.close()
