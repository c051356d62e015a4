"""Every list is read by REST now and then: what is to spare, and status says how far it is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gitpip.model import GitHubId
from gitpip.store.database import Database
from gitpip.store.status import budgets, checks, lists_read
from gitpip.store.status.checks import Results
from gitpip.store.users import schedule
from gitpip.store.users.schedule import LISTED_EVERY
from gitpip.watch.check import Watcher
from gitpip.watch.check_run import LISTED_AT_A_TIME
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.rate_limits import SPARE_A_MINUTE, Budget
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.watch.conftest import sweeping
from tests.watch.crowd import add_users, id_of, track_identified
from tests.watch.test_check import run

A_MINUTE = timedelta(minutes=1)
A_DAY = timedelta(days=1)
USERS = 45
"""More than are read at a time, in a database that is quick to fill."""


@pytest.fixture
async def github(server: Server, clock: Clock) -> AsyncIterator[GitHub]:
    async with sweeping(server, clock) as github:
        yield github


@pytest.fixture
async def logins(world: StandIn, database: Database, clock: Clock) -> list[str]:
    """Users without news, whose lists were never read by REST."""
    logins = add_users(world, USERS)
    clock.advance(A_MINUTE)
    await track_identified(database, world, clock, logins)
    return logins


def lists_asked_for(world: StandIn) -> int:
    return sum(request.path.endswith("/gists") for request in world.requests)


async def how_far(database: Database, clock: Clock) -> lists_read.Lists:
    async with database.read() as transaction:
        return await lists_read.lists(transaction, clock())


async def test_all_that_wait_are_read_at_once_with_requests_to_spare(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, logins: list[str]
) -> None:
    await run(watcher)
    assert lists_asked_for(world) == 0
    clock.advance(LISTED_EVERY + A_MINUTE)
    assert (await how_far(database, clock)).waiting == USERS
    await run(watcher)
    assert lists_asked_for(world) == USERS
    after = await how_far(database, clock)
    assert (after.users, after.waiting, after.round) == (USERS, 0, None)


async def test_no_more_are_read_than_requests_are_to_spare_and_the_pace_is_told(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, logins: list[str]
) -> None:
    await run(watcher)
    clock.advance(LISTED_EVERY + A_MINUTE)
    world.limits.charge("#0", "core", clock(), 2490)
    world.add_gist(logins[0], {"news.txt": "so that something is asked of REST"})
    clock.advance(A_MINUTE)
    await run(watcher)
    read = USERS - (await how_far(database, clock)).waiting
    assert 5 <= read <= 15
    clock.advance(A_DAY / 2)
    half_a_day_later = await how_far(database, clock)
    # What was read besides the user with news counts, and so does the time without any.
    assert half_a_day_later.a_day == pytest.approx(2 * (read - 1), rel=0.01)
    assert half_a_day_later.round == A_DAY * (USERS / half_a_day_later.a_day)


async def test_a_user_who_becomes_due_meanwhile_comes_before_the_rest(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, logins: list[str]
) -> None:
    await run(watcher)
    clock.advance(LISTED_EVERY + A_MINUTE)
    world.faults.script(Fault.held(), path="^/user/[0-9]+/gists$", times=None)
    check = asyncio.create_task(watcher.run())
    await asyncio.to_thread(world.wait_until, lambda: lists_asked_for(world) > 0)
    async with database.begin() as transaction:
        await schedule.hint(transaction, [GitHubId(id_of(world, logins[-1]))], clock())
    world.faults.clear()
    world.faults.let_go()
    await check
    assert lists_asked_for(world) == LISTED_AT_A_TIME
    await run(watcher)
    assert (await how_far(database, clock)).waiting == 0


async def test_reading_lists_does_not_make_the_promised_number_of_users_smaller(
    database: Database, clock: Clock
) -> None:
    async with database.begin() as transaction:
        check_id = await checks.start(transaction, clock())
        for results in (
            Results(users=1000, unchanged=1000, swept=1000, points=10),
            Results(users=500, unchanged=500, listed=500),
        ):
            await checks.add_results(transaction, check_id, results)
        await checks.end(transaction, check_id, clock())
    async with database.read() as transaction:
        promised = await budgets.capacity_now(
            transaction, has_token=True, share=1.0, interval=timedelta(hours=1), now=clock()
        )
    assert promised == 500_000


@pytest.mark.parametrize(
    ("limit", "ours", "remaining", "spare"),
    [
        (5000, 5000, 5000, 2500),
        (5000, 5000, 2500, 0),
        (5000, 4000, 5000, 3000 - 1000),
        (5000, 4000, 3000, 0),
        # The others' part is none of ours, however little of it they have used.
        (5000, 1000, 4500, 0),
        (5000, 1000, 4600, 100),
    ],
)
def test_to_spare_is_what_is_left_beyond_half_of_our_part(
    clock: Clock, limit: int, ours: int, remaining: int, spare: int
) -> None:
    assert Budget("core", limit, ours, remaining, clock()).spare == spare


def test_a_million_lists_are_read_in_a_month() -> None:
    a_month = 30 * 24
    assert Budget("core", 5000, 4000, 5000, Clock()()).spare * a_month > 1_000_000
    assert LISTED_AT_A_TIME * 60 * a_month > 1_000_000
    assert SPARE_A_MINUTE * 60 * a_month > 1_000_000
