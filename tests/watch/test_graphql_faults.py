"""GraphQL that fails about single users, about everybody, or for a kind of token."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import get_args

import pytest

from gitpip.model import Check, User
from gitpip.store.database import Database
from gitpip.store.status import checks, pauses
from gitpip.store.users import users
from gitpip.watch.batch_poll import QUERIES_SIDE_BY_SIDE, BatchPoller
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from gitpip_standins.github.troubles import UserTrouble
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.crowd import add_users, files_of, files_of_each, id_of, queries, track_identified

pytestmark = pytest.mark.long

TROUBLES: tuple[UserTrouble, ...] = get_args(UserTrouble)
MISCOUNTS: tuple[UserTrouble, ...] = ("fewer", "more")
LIMITS: tuple[UserTrouble, ...] = ("429", "secondary-limit")


@pytest.fixture
async def github(server: Server, clock: Clock) -> AsyncIterator[GitHub]:
    async with sweeping(server, clock) as github:
        yield github


async def run(watcher: Watcher) -> Check:
    check = await watcher.run()
    assert check is not None
    assert check.ended_at is not None
    return check


async def user_named(database: Database, login: str) -> User:
    async with database.read() as transaction:
        return await users.find(transaction, login)


@pytest.mark.parametrize("trouble", [kind for kind in TROUBLES if kind not in MISCOUNTS + LIMITS])
async def test_a_user_that_graphql_refuses_costs_nobody_else_anything(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, trouble: UserTrouble
) -> None:
    logins = add_users(world, 60)
    for login in logins[7:9]:
        world.add_gist(login, {"first.txt": login})
        world.add_gist(login, {"second.txt": login})
    clock.advance(timedelta(minutes=1))
    await track_identified(database, world, clock, logins)
    await run(watcher)
    world.graphql.users[id_of(world, "user-7")] = trouble
    costs = []
    for number in range(4):
        clock.advance(INTERVAL)
        # The fault is of GraphQL alone: the gists are found in the same check all the same.
        for login in logins[7:9]:
            world.add_gist(login, {f"{number}.txt": login})
        clock.advance(timedelta(minutes=1))
        before = queries(world)
        check = await run(watcher)
        assert (check.users, check.unchanged, check.failed, check.files) == (60, 58, 0, 2)
        for login in logins[7:9]:
            assert len(await files_of(database, login)) == 3 + number
        costs.append(queries(world) - before)
    # Found by halving once. Then REST is asked, and after six hours GraphQL about this user alone.
    assert costs[0] <= 15
    assert costs[1:] == [2, 3, 2]
    refused = await user_named(database, "user-7")
    assert refused.graphql_refusals == 2
    world.graphql.users.clear()
    clock.advance(timedelta(days=1))
    await run(watcher)
    assert (await user_named(database, "user-7")).graphql_refusals == 0
    async with database.read() as transaction:
        assert not await pauses.pauses_now(transaction, clock() - timedelta(days=30))


@pytest.mark.parametrize(
    ("trouble", "within"), [("429", timedelta(seconds=30)), ("secondary-limit", timedelta(hours=1))]
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_user_about_whom_github_always_asks_to_wait_keeps_others_off_for_minutes_at_most(
    world: StandIn,
    watcher: Watcher,
    database: Database,
    clock: Clock,
    trouble: UserTrouble,
    within: timedelta,
) -> None:
    logins = add_users(world, 30)
    await track_identified(database, world, clock, logins)
    await run(watcher)
    world.graphql.users[id_of(world, "user-7")] = trouble
    waits = []
    for number in range(3):
        clock.advance(timedelta(hours=7))
        for login in logins:
            world.add_gist(login, {f"{number}.txt": login})
        clock.advance(timedelta(minutes=1))
        began, refused = clock(), refusals(world)
        while await files_of_each(database) != dict.fromkeys(logins, number + 1):
            await run(watcher)
            clock.now = max(await paused_until(database, clock()), clock() + timedelta(seconds=1))
            assert clock() - began < within
        waits.append(refusals(world) - refused)
    # Found by halving, after the wait that was asked for each time; after six hours it is asked
    # about alone, and after twelve again.
    assert waits[0] <= 8
    assert waits[1:] == [1, 0]
    assert (await user_named(database, "user-7")).graphql_refusals == 2
    others = [await user_named(database, login) for login in logins if login != "user-7"]
    assert not any(user.graphql_refusals for user in others)


def refusals(world: StandIn) -> int:
    return sum(request.path == "/graphql" and request.status != 200 for request in world.requests)


async def paused_until(database: Database, now: datetime) -> datetime:
    async with database.read() as transaction:
        until = [pause.until for pause in (await pauses.pauses_now(transaction, now)).values()]
    return max(until, default=now)


@pytest.mark.parametrize("trouble", ["left-out", "odd-gist", "resource-limits", "no-data"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_pause_of_the_batch_poll_says_how_many_users_failed_and_names_none(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, trouble: UserTrouble
) -> None:
    logins = add_users(world, 4, with_gists=1)
    await track_identified(database, world, clock, logins)
    world.graphql.users |= {id_of(world, login): trouble for login in logins}
    for _ in range(2):  # in a check, and in the first one after the pause
        await run(watcher)
        async with database.read() as transaction:
            pause = await pauses.paused(transaction, pauses.SWEEPING, clock())
        assert pause
        assert "GraphQL fails for 3 people in a row" in pause.reason
        assert "user-" not in pause.reason
        clock.now = pause.until
        async with database.begin() as transaction:
            await checks.request(transaction, clock())


@pytest.mark.parametrize("after_outage", [False, True])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_three_refused_users_that_come_first_do_not_keep_graphql_off(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, after_outage: bool
) -> None:
    """After a start GraphQL has answered about nobody; few are tracked, so they come first."""
    logins = add_users(world, 6, with_gists=1)
    await track_identified(database, world, clock, logins)
    world.graphql.users |= {id_of(world, login): "502" for login in logins[:3]}
    if after_outage:
        world.graphql.fail_above = 0
        await run(watcher)
        async with database.read() as transaction:
            pause = await pauses.paused(transaction, pauses.SWEEPING, clock())
        assert pause
        world.graphql.fail_above = None
        clock.now = pause.until
        async with database.begin() as transaction:
            await checks.request(transaction, clock())

    await run(watcher)

    async with database.read() as transaction:
        assert not await pauses.paused(transaction, pauses.SWEEPING, clock())
    refused = {one for one in logins if (await user_named(database, one)).graphql_refusals}
    assert refused == set(logins[:3])


@pytest.mark.parametrize("trouble", MISCOUNTS)
async def test_a_user_whose_gists_are_miscounted_leaves_the_batches_as_they_are(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, trouble: UserTrouble
) -> None:
    logins = add_users(world, 100)
    for number in range(3):
        world.add_gist("user-7", {f"{number}.txt": "a"})
    clock.advance(timedelta(minutes=1))
    await track_identified(database, world, clock, logins)
    await run(watcher)
    world.graphql.users[id_of(world, "user-7")] = trouble
    costs = []
    for _ in range(4):
        clock.advance(INTERVAL)
        before = queries(world)
        check = await run(watcher)
        assert (check.users, check.failed, check.files) == (100, 0, 0)
        costs.append(queries(world) - before)
    # Too few: asked about alone once, then left to REST. Too many: REST is asked each time anyway.
    assert costs == ([3, 2, 3, 2] if trouble == "fewer" else [2, 2, 2, 2])


async def test_ten_users_in_a_thousand_cost_a_point_for_fifty_users_from_the_second_round_on(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 1000)
    await track_identified(database, world, clock, logins)
    for login in logins[50::100]:
        world.graphql.users[id_of(world, login)] = "502"
    costs = []
    for _ in range(2):
        before = queries(world)
        check = await run(watcher)
        assert (check.users, check.failed) == (1000, 0)
        costs.append(queries(world) - before)
        clock.advance(INTERVAL)
    assert costs[0] <= 20 + 10 * 12
    assert costs[1] <= 20


async def test_a_batch_that_is_too_large_is_not_tried_again_at_once(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 300)
    await track_identified(database, world, clock, logins)
    world.graphql.fail_above, world.graphql.failure = 30, 502
    costs = []
    for _ in range(6):
        before = queries(world)
        check = await run(watcher)
        assert (check.users, check.failed) == (300, 0)
        costs.append(queries(world) - before)
        async with database.begin() as transaction:
            await checks.request(transaction, clock())
    # Ten queries about thirty users are the least that this takes.
    assert costs[-2:] == [10, 10]
    async with database.read() as transaction:
        assert not await pauses.pauses_now(transaction, clock())


@pytest.mark.parametrize("status", [401, 404, 410, 418, 451, 403, 204, 302])
async def test_whatever_graphql_answers_the_check_ends_and_everybody_is_checked(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, status: int
) -> None:
    logins = add_users(world, 20)
    world.add_gist("user-19", {"a.txt": "a"})
    await track_identified(database, world, clock, logins)
    world.faults.script(Fault.html(status), path="^/graphql", times=None)
    check = await run(watcher)
    assert (check.users, check.failed, check.files) == (20, 0, 1)
    assert queries(world) <= 12
    async with database.read() as transaction:
        pause = await pauses.paused(transaction, pauses.SWEEPING, clock())
        everybody = await users.everyone(transaction)
    assert pause
    assert "checked one by one" in pause.reason
    # In GraphQL's trouble no user is to blame.
    assert {user.graphql_refusals for user in everybody} == {0}


async def test_a_token_that_rest_refuses_as_well_pauses_watching(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    await track_identified(database, world, clock, add_users(world, 60))
    world.tokens.clear()
    check = await run(watcher)
    assert (check.users, check.failed) == (0, 0)
    assert len(world.requests) == 2
    async with database.read() as transaction:
        assert await pauses.paused(transaction, pauses.WATCHING, clock())


async def test_a_fine_grained_token_is_noticed_and_everybody_is_checked_by_rest(
    world: StandIn, watcher: Watcher, github: GitHub, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 120)
    for login in logins[::20]:
        world.add_gist(login, {"a.txt": login})
    await track_identified(database, world, clock, logins)
    world.graphql.hides_gists = True
    check = await run(watcher)
    assert (check.users, check.failed, check.files) == (120, 0, 6)
    asked = queries(world)
    assert asked <= 2
    async with database.read() as transaction:
        pause = await pauses.paused(
            transaction, pauses.SWEEPING, clock(), credential=github.fingerprint
        )
        assert not await pauses.paused(transaction, pauses.SWEEPING, clock(), credential="another")
    assert pause
    assert "fine-grained" in pause.reason
    assert pause.until >= clock() + timedelta(hours=6)
    clock.advance(INTERVAL)
    for login in logins[::20]:
        world.add_gist(login, {"b.txt": login})
    check = await run(watcher)
    assert (check.users, check.files) == (120, 6)
    assert queries(world) == asked
    # A token that shows gists is noticed at the next probe.
    world.graphql.hides_gists = False
    clock.advance(timedelta(days=1))
    check = await run(watcher)
    assert (check.users, check.unchanged, check.failed) == (120, 120, 0)
    async with database.read() as transaction:
        assert not await pauses.pauses_now(transaction, clock())


async def test_without_graphql_and_rest_nothing_is_due_until_one_of_them_answers(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 90)
    await track_identified(database, world, clock, logins)
    world.limits.with_token = 100
    world.faults.script(Fault.error(502), path="^/graphql", times=None)
    check = await run(watcher)
    # Sixty requests of an hour are kept for the public feed.
    assert (check.users, check.failed) == (40, 0)
    assert not await watcher.due()
    assert await watcher.run() is None
    async with database.read() as transaction:
        assert await pauses.checks_held_up(transaction, clock())
    world.faults.clear()
    clock.advance(timedelta(minutes=2))
    async with database.read() as transaction:
        assert await pauses.checks_held_up(transaction, clock()) is None
    assert await watcher.due()
    assert (await run(watcher)).users == 50


async def test_a_user_about_whom_graphql_never_answers_costs_one_wait_a_round_until_found(
    world: StandIn,
    watcher: Watcher,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gitpip.watch.github.transport.GRAPHQL_TIMEOUT", timedelta(seconds=2))
    logins = add_users(world, 8)
    await track_identified(database, world, clock, logins)
    slow = world.user_of("user-5")
    assert slow
    world.faults.script(Fault.hang(), path="^/graphql", about=slow.node_id, times=None)
    waits = []
    for _ in range(5):
        before = len(world.faults.injected)
        check = await run(watcher)
        assert (check.users, check.failed) == (8, 0)
        waits.append(len(world.faults.injected) - before)
        async with database.begin() as transaction:
            await checks.request(transaction, clock())
    # Asked with all eight, with four, with two, alone; then left to REST.
    assert waits == [1, 1, 1, 1, 0]
    refused = {login for login in logins if (await user_named(database, login)).graphql_refusals}
    assert refused == {"user-5"}
    async with database.read() as transaction:
        assert not await pauses.pauses_now(transaction, clock())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_users_about_whom_graphql_never_answers_are_found_and_the_others_go_on_by_it(
    world: StandIn,
    server: Server,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gitpip.watch.github.transport.GRAPHQL_TIMEOUT", timedelta(seconds=2))
    monkeypatch.setattr("gitpip.watch.check_run.SLOW_QUERY", timedelta(seconds=0.2))
    monkeypatch.setattr("gitpip.watch.batch_size.FIRST_BATCH", 8)
    logins = add_users(world, 24)
    await track_identified(database, world, clock, logins)
    hanging = {logins[number] for number in (3, 4, 12, 20)}
    async with sweeping(server, clock) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        await run(watcher)
        for login in hanging:
            user = world.user_of(login)
            assert user
            world.faults.script(Fault.hang(), path="^/graphql", about=user.node_id, times=None)
        refused: set[str] = set()
        rounds = 0
        while refused != hanging:
            rounds += 1
            clock.advance(INTERVAL)
            before = len(world.faults.injected)
            check = await run(watcher)
            assert (check.users, check.failed) == (24, 0)
            # Each of them costs one wait at most, and these pass side by side.
            assert 0 < len(world.faults.injected) - before <= len(hanging)
            async with database.read() as transaction:
                assert not await pauses.pauses_now(transaction, clock())
            refused = {one for one in logins if (await user_named(database, one)).graphql_refusals}
        # Asked about with eight or more, half of them, a quarter, and alone.
        assert rounds <= 5
        asked = queries(world)
        clock.advance(INTERVAL)
        check = await run(watcher)
        assert (check.users, check.unchanged, check.failed) == (24, 24, 0)
        # The others, and those that are asked about alone once more after six hours.
        assert queries(world) - asked <= 3 + len(hanging)


async def test_graphql_that_never_answers_costs_three_waits_and_pauses_the_batch_poll_alone(
    world: StandIn,
    watcher: Watcher,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logins = add_users(world, 60)
    world.add_gist("user-59", {"a.txt": "a"})
    await track_identified(database, world, clock, logins)
    world.faults.script(Fault.hang(), path="^/graphql", times=None)
    # Only while nothing is answered: on a busy machine an answer takes longer than this.
    with monkeypatch.context() as patch:
        patch.setattr("gitpip.watch.github.transport.GRAPHQL_TIMEOUT", timedelta(seconds=1))
        check = await run(watcher)
    assert (check.users, check.failed, check.files) == (60, 0, 1)
    # About fifty users, and about two of them alone.
    assert queries(world) == 3
    async with database.read() as transaction:
        pause = await pauses.paused(transaction, pauses.SWEEPING, clock())
    assert pause
    assert "too slowly" in pause.reason
    world.faults.clear()
    clock.advance(INTERVAL)
    check = await run(watcher)
    assert (check.users, check.unchanged, check.failed) == (60, 60, 0)
    async with database.read() as transaction:
        assert not await pauses.pauses_now(transaction, clock())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_suspected_users_are_asked_about_four_at_a_time_however_many_ask(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    logins = add_users(world, 16)
    await track_identified(database, world, clock, logins)
    async with database.read() as transaction:
        everybody = await users.everyone(transaction)
    poller = BatchPoller(github, clock)
    await poller.ask(everybody)
    suspected = [replace(user, graphql_refusals=1) for user in everybody]
    world.faults.script(Fault.held(), path="^/graphql", times=None)
    runs = [asyncio.create_task(poller.ask(some)) for some in (suspected[:8], suspected[8:])]
    await asyncio.to_thread(
        world.wait_until, lambda: len(world.faults.injected) >= QUERIES_SIDE_BY_SIDE
    )
    # Whatever else was sent at the same time has arrived before this.
    await github.account(logins[0])
    assert len(world.faults.injected) == QUERIES_SIDE_BY_SIDE
    world.faults.clear()
    world.faults.let_go()
    answers = [answer for each in runs for answer in (await each).answers]
    assert {user.login for user, _ in answers} == set(logins)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_while_a_query_hangs_the_users_of_the_others_are_checked(
    world: StandIn,
    server: Server,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gitpip.watch.check_run.SLOW_QUERY", timedelta(seconds=0.1))
    monkeypatch.setattr("gitpip.watch.batch_size.FIRST_BATCH", 4)
    logins = add_users(world, 20)
    await track_identified(database, world, clock, logins)
    async with sweeping(server, clock) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        await run(watcher)
        held = world.user_of(logins[0])
        assert held
        world.faults.script(Fault.held(), path="^/graphql", about=held.node_id, times=None)
        clock.advance(INTERVAL)
        for login in logins:
            world.add_gist(login, {"new.txt": login})
        clock.advance(timedelta(minutes=1))
        check = asyncio.create_task(run(watcher))
        async with asyncio.timeout(60):
            while True:
                found = [login for login in logins if await files_of(database, login)]
                if len(found) >= len(logins) / 2:
                    break
                await asyncio.sleep(0.02)
        assert not check.done()
        assert logins[0] not in found
        world.faults.clear()
        world.faults.let_go()
        assert (await check).files == len(logins)
