"""Our own clock is wrong, or was: what is said and done goes by GitHub's."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitpip.errors import GitHubLimited
from gitpip.model import GistId, Pause, UserState
from gitpip.store.database import Database
from gitpip.store.gists import gists, unreadable
from gitpip.store.schema import users as user_rows
from gitpip.store.status import pauses
from gitpip.store.users import schedule
from gitpip.watch.check import Watcher
from gitpip.watch.decide import LONGEST_LAG
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.transport import clock_ahead
from gitpip.watch.user_check import Rules
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.crowd import files_of
from tests.watch.test_check import run, track, user_named

A_DAY = timedelta(days=1)
A_MINUTE = timedelta(minutes=1)


@pytest.fixture
def ours(clock: Clock) -> Clock:
    """This machine's clock; `clock` is GitHub's."""
    ours = Clock()
    ours.now = clock()
    return ours


@pytest.fixture(params=["rest", "graphql"])
async def github(
    server: Server, ours: Clock, request: pytest.FixtureRequest
) -> AsyncIterator[GitHub]:
    if request.param == "graphql":
        async with sweeping(server, ours) as github:
            yield github
        return
    async with GitHub(
        api_url=server.url, token=TOKEN, timeout=timedelta(seconds=60), now=ours
    ) as github:
        yield github


@pytest.fixture
def watcher(database: Database, github: GitHub, ours: Clock) -> Watcher:
    return Watcher(database, github, rules=Rules(interval=INTERVAL), now=ours)


async def complete_until(database: Database) -> datetime | None:
    async with database.read() as transaction:
        return (await schedule.completeness(transaction)).complete_until


@pytest.fixture(params=[timedelta(minutes=10), -timedelta(minutes=10)], ids=["ahead", "behind"])
def wrong(ours: Clock, request: pytest.FixtureRequest) -> Clock:
    """Our clock, which is wrong by ten minutes."""
    ours.now += request.param
    return ours


async def test_a_wrong_clock_does_not_move_the_time_up_to_which_all_is_known(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, wrong: Clock
) -> None:
    world.add_user("ada")
    world.add_gist("ada", {"a.txt": "a"})
    clock.advance(A_MINUTE)
    wrong.advance(A_MINUTE)
    await track(database, wrong, "ada")
    for _ in range(2):
        await run(watcher)
        assert await complete_until(database) == clock() - LONGEST_LAG
        clock.advance(INTERVAL)
        wrong.advance(INTERVAL)


async def test_the_error_of_our_clock_is_measured(
    world: StandIn, github: GitHub, clock: Clock, wrong: Clock
) -> None:
    world.add_user("ada")
    await github.account("ada")
    assert abs(github.clock_ahead - (wrong() - clock())) <= timedelta(seconds=1)
    wrong.now = clock()
    await github.account("ada")
    assert github.clock_ahead == timedelta(0)


async def test_a_clock_that_was_a_day_ahead_leaves_nobody_unchecked_for_a_day(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, ours: Clock
) -> None:
    ours.now = clock() + A_DAY
    world.add_user("ada")
    await track(database, ours, "ada")
    await run(watcher)
    async with database.begin() as transaction:
        await pauses.pause(
            transaction,
            pauses.WATCHING,
            Pause(ours() + A_MINUTE, "while the clock was wrong"),
            now=ours(),
        )
    ours.now = clock()
    assert await complete_until(database) == clock() - LONGEST_LAG
    world.add_gist("ada", {"a.txt": "a"})
    assert not await watcher.due()
    assert (await user_named(database, "ada")).next_check_at <= ours() + INTERVAL
    for time in (clock, ours):
        time.advance(INTERVAL)
    assert await watcher.due()
    await run(watcher)
    assert len(await files_of(database, "ada")) == 1


async def test_answers_without_a_date_take_no_part_in_the_time_that_is_told(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, ours: Clock
) -> None:
    def pass_time(time: timedelta) -> None:
        for each in (clock, ours):
            each.advance(time)

    ours.now = clock() + A_DAY
    for login in ("ada", "bob"):
        world.add_user(login)
        gist = world.add_gist(login, {"1.txt": "x"})
        world.add_gist(login, {"2.txt": "x"})
    pass_time(A_MINUTE)
    for login in ("ada", "bob"):
        await track(database, ours, login)
    await run(watcher)
    dated = clock()
    assert await complete_until(database) == dated - LONGEST_LAG

    # Of bob's lists, and of GraphQL's answers, none has a date; some of ada's have.
    bob = world.user_of("bob")
    assert bob
    world.app.dateless = lambda path: path == "/graphql" or str(bob.id) in path
    for step in range(3):
        pass_time(INTERVAL)
        world.add_gist("ada", {f"{step}.txt": "x"})
        pass_time(A_MINUTE)
        await run(watcher)
        assert await complete_until(database) == dated - LONGEST_LAG
        assert len(await files_of(database, "ada")) == 3 + step
    assert (await user_named(database, "ada")).complete_until == clock() - LONGEST_LAG

    # A gist that an answer without a date does not show may just be newer than the answer.
    world.delete_gist(gist)
    pass_time(INTERVAL)
    await run(watcher)
    async with database.read() as transaction:
        files = await gists.of_gist(transaction, GistId(gist))
        held = await unreadable.furthest_behind(transaction)
    assert [file.removed_at for file in files] == [None]
    assert held
    assert held.login == "bob"

    world.app.dateless = lambda _: False
    pass_time(INTERVAL)
    await run(watcher)
    assert await complete_until(database) == clock() - LONGEST_LAG
    async with database.read() as transaction:
        (file,) = await gists.of_gist(transaction, GistId(gist))
    assert file.removed_at


async def test_a_rate_limit_without_a_date_is_waited_for_by_githubs_clock(
    world: StandIn, github: GitHub, clock: Clock, ours: Clock
) -> None:
    ours.now = clock() + A_DAY
    world.add_user("ada")
    await github.account("ada")
    world.app.dateless = lambda _: True
    world.limits.charge("#0", "core", clock(), 5000)
    for _ in range(2):
        with pytest.raises(GitHubLimited) as refused:
            await github.account("ada")
        left = refused.value.until - ours()
        assert timedelta(minutes=50) < left <= timedelta(hours=1, seconds=2)


@pytest.mark.parametrize("unavailable", [False, True])
async def test_times_that_are_as_late_as_they_may_be_stay(
    watcher: Watcher, database: Database, ours: Clock, unavailable: bool
) -> None:
    user = await track(database, ours, "ada")
    state = UserState.UNAVAILABLE if unavailable else UserState.ACTIVE
    latest = ours() + (A_DAY if unavailable else timedelta(days=7))
    async with database.begin() as transaction:
        await transaction.execute(
            user_rows.update()
            .where(user_rows.c.key == user.key)
            .values(
                state=state.value,
                hinted_at=None,
                next_check_at=latest,
                check_interval=None if unavailable else timedelta(days=7),
            )
        )
    assert not await watcher.due()
    assert (await user_named(database, "ada")).next_check_at == latest


@given(
    st.datetimes().map(lambda time: time.replace(microsecond=0, year=2026)),
    st.floats(-90_000, 90_000),
    st.floats(0, 5),
    st.floats(0, 1),
)
def test_the_lead_of_a_clock_is_never_overstated(
    theirs: datetime, ahead: float, took: float, within: float
) -> None:
    answered = theirs + timedelta(seconds=ahead + within * 0.999)
    asked = answered - timedelta(seconds=took)
    found = clock_ahead(asked, answered, theirs).total_seconds()
    assert abs(found) <= abs(ahead) + 1e-3
    assert found == 0 or (found > 0) == (ahead > 0)
    assert abs(ahead) - abs(found) <= took + 1 + 1e-3
