"""The backfill rule is about what is older than the adding of a user, whenever it is found."""

from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO

import pytest

from gitpip.actions import imports
from gitpip.actions.acting import Acting, Work
from gitpip.actions.users import add_user
from gitpip.backfill import Backfill
from gitpip.model import PublicationState, User
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database
from gitpip.store.schema_access import Via
from gitpip.store.users import users
from gitpip.targets import Target
from gitpip.watch.check import Watcher
from gitpip.watch.forecast import past_of
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.test_check import A_DAY, fill, run, stored, track, user_named

A_MINUTE = timedelta(minutes=1)


async def states(database: Database, login: str) -> dict[str, PublicationState | None]:
    return {file.filename: file.publication for file in await stored(database, login)}


async def pending(database: Database, login: str) -> set[str]:
    found = await states(database, login)
    return {name for name, state in found.items() if state is PublicationState.PENDING}


@pytest.fixture
async def batch_poll(server: Server, clock: Clock) -> AsyncIterator[GitHub]:
    async with sweeping(server, clock) as github:
        yield github


async def remove(database: Database, clock: Clock, login: str) -> None:
    async with database.begin() as transaction:
        user = await users.find(transaction, login)
        await users.remove(transaction, user.key, clock())


async def test_a_first_answer_that_is_cut_silently_publishes_no_more_than_the_rule_allows(
    world: StandIn, database: Database, clock: Clock, batch_poll: GitHub
) -> None:
    watcher = Watcher(database, batch_poll, rules=Rules(interval=INTERVAL), now=clock)
    world.add_user("first")
    world.add_user("ada")
    fill(world, clock, "ada", 1)
    world.graphql.cut_above = 1
    for login in ("first", "ada"):
        await track(database, clock, login, backfill="latest:3")
    await run(watcher)
    assert await stored(database, "ada") == []
    world.graphql.cut_above = None
    for number in range(2, 31):
        world.add_gist("ada", {f"{number}.py": "x"}, created_at=clock() - A_DAY * number)
    clock.advance(INTERVAL)
    await run(watcher)
    assert len(await stored(database, "ada")) == 30
    assert await pending(database, "ada") == {"2.py", "3.py", "4.py"}


@pytest.mark.parametrize("rule", ["none", "latest:2"])
async def test_a_gist_from_before_the_adding_that_appears_later_follows_the_rule(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, rule: str
) -> None:
    world.add_user("ada")
    world.add_gist("ada", {"old.py": "x"}, created_at=clock() - A_DAY)
    secret = world.add_gist("ada", {"secret.py": "x"}, public=False, created_at=clock() - 2 * A_DAY)
    clock.advance(A_MINUTE)
    await track(database, clock, "ada", backfill=rule)
    await run(watcher)
    allowed = {"old.py"} if rule == "latest:2" else set()
    assert await pending(database, "ada") == allowed
    clock.advance(INTERVAL)
    world.make_public(secret)
    world.add_gist("ada", {"older.py": "x"}, created_at=clock() - 9 * A_DAY)
    world.add_gist("ada", {"news.py": "x"})
    await run(watcher)
    allowed |= {"secret.py"} if rule == "latest:2" else set()
    assert await pending(database, "ada") == allowed | {"news.py"}


async def test_a_user_added_again_publishes_what_the_forecast_says(
    world: StandIn, watcher: Watcher, github: GitHub, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    known = world.add_gist("ada", {"first.py": "x"})
    await track(database, clock, "ada", backfill="all")
    await run(watcher)
    await remove(database, clock, "ada")
    clock.advance(A_DAY)
    for number in range(6):
        world.add_gist("ada", {f"{number}.py": "x"})
    world.edit_gist(known, {"added.py": "x"})
    clock.advance(A_DAY)
    forecast = await past_of(github, "ada", Backfill.parse("none"), clock())
    await track(database, clock, "ada", backfill="none")
    await run(watcher)
    assert forecast.kept == 0
    assert len(await stored(database, "ada")) == 8
    assert await pending(database, "ada") == {"first.py"}
    clock.advance(INTERVAL)
    world.edit_gist(known, {"news.py": "x"})
    await run(watcher)
    assert await pending(database, "ada") == {"first.py", "news.py"}


@pytest.mark.parametrize("ahead", [timedelta(hours=5), -timedelta(hours=5)])
async def test_the_time_of_adding_is_githubs_however_wrong_our_clock_is(
    world: StandIn, server: Server, database: Database, clock: Clock, ahead: timedelta
) -> None:
    ours = Clock()
    ours.now = clock() + ahead
    world.add_user("ada")
    world.add_gist("ada", {"old.py": "x"})
    clock.advance(A_MINUTE)
    ours.advance(A_MINUTE)
    await track(database, ours, "ada", backfill="none")
    clock.advance(A_MINUTE)
    ours.advance(A_MINUTE)
    world.add_gist("ada", {"news.py": "x"})
    clock.advance(timedelta(seconds=5))
    ours.advance(timedelta(seconds=5))
    async with GitHub(
        api_url=server.url, token=TOKEN, timeout=timedelta(seconds=60), now=ours
    ) as github:
        await run(Watcher(database, github, rules=Rules(interval=INTERVAL), now=ours))
    assert await pending(database, "ada") == {"news.py"}


async def imported(database: Database, text: str) -> None:
    acting = Acting(database, Actor("somebody", Via.API), _wake_nobody)
    file, rule = BytesIO(text.encode()), Backfill.parse("none")
    import_id = await imports.begin(acting, file, name="list.csv", size=len(text))
    assert (await imports.carry_out(acting, import_id, file, backfill=rule)).faults == ()


async def _removed_with_details(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> User:
    world.add_user("ada")
    user = await track(database, clock, "ada")
    await run(watcher)
    async with database.begin() as transaction:
        changes = users.Changes(tags=("vip",), interval=timedelta(hours=1))
        user = await users.change(transaction, user.key, changes, clock())
    await remove(database, clock, "ada")
    return user


async def test_importing_a_removed_user_keeps_what_the_file_does_not_say(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    before = await _removed_with_details(world, watcher, database, clock)
    await imported(database, "ada\n")
    clock.now += timedelta(days=1000)  # the import is due by the machine's own clock
    await run(watcher)
    user = await user_named(database, "ada")
    assert user.key == before.key
    assert (user.external_id, user.tags, user.check_interval) == (
        "id of ada",
        ("vip",),
        timedelta(hours=1),
    )


async def test_importing_a_removed_user_takes_what_the_file_says(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    before = await _removed_with_details(world, watcher, database, clock)
    await imported(database, "login,id,tags,interval,deal\nada,new,new,2h,77\n")
    clock.now += timedelta(days=1000)
    await run(watcher)
    user = await user_named(database, "ada")
    assert user.key == before.key
    assert (user.external_id, user.tags, user.check_interval, user.target) == (
        "new",
        ("new",),
        timedelta(hours=2),
        Target.parse("deal:77"),
    )


async def _wake_nobody(work: Work) -> None:
    """Leave it to the test when a check is run."""


@pytest.mark.parametrize("given", [None, "another"])
async def test_a_removed_user_added_again_keeps_the_id_unless_another_is_given(
    world: StandIn, github: GitHub, database: Database, clock: Clock, given: str | None
) -> None:
    world.add_user("ada")
    for external_id in ("mine", given):
        added = await add_user(
            Acting(database, Actor("somebody", Via.API), _wake_nobody),
            "ada",
            external_id=external_id,
            backfill=Backfill.parse("none"),
            find_account=github.account,
        )
        assert added.new
        assert added.user.external_id == (external_id or "mine")
        assert added.user.added_at == clock()  # GitHub's, not this machine's
        await remove(database, clock, "ada")
