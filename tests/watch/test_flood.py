"""What would flood the CRM is held, however a reading is cut into checks and transactions."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from gitpip.backfill import Backfill
from gitpip.digests import blob_hash
from gitpip.marking import content_tag_of, marker_of
from gitpip.model import (
    ActivityId,
    DealId,
    GistId,
    GitHubId,
    OnEdit,
    PublicationState,
    User,
    UserKey,
    UserState,
)
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import NamedAccount
from gitpip.store.database import Database
from gitpip.store.publications import held, markers
from gitpip.store.publications.recognition import Sighting
from gitpip.store.schema import users as users_table
from gitpip.store.schema_accounts import Vendor
from gitpip.store.users import users
from gitpip.watch import flood, reading
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.test_check import A_DAY, run, stored, track, user_named

MOST = 12
"""What these tests let through at once."""
A_SECOND = timedelta(seconds=1)
PENDING, HELD, SKIPPED = PublicationState.PENDING, PublicationState.HELD, PublicationState.SKIPPED

A_DATE = datetime(2026, 3, 4, tzinfo=UTC)
READ_BEFORE = User(
    key=UserKey(1),
    login="ada",
    external_id="ada",
    github_id=GitHubId(1),
    backfill=Backfill.parse("all"),
    state=UserState.ACTIVE,
    created_at=A_DATE,
    next_check_at=A_DATE,
    checked_at=A_DATE,
    etag=None,
    failures=0,
    failure=None,
    last_sequence=0,
    deal_id=None,
    complete_until=A_DATE,
)


def watcher_of(
    database: Database, github: GitHub, clock: Clock, *, on_edit: OnEdit = OnEdit.IGNORE
) -> Watcher:
    rules = Rules(interval=INTERVAL, on_edit=on_edit, hold_above=MOST)
    return Watcher(database, github, rules=rules, now=clock)


async def states(database: Database, login: str = "ada") -> Counter[PublicationState | None]:
    return Counter(file.publication for file in await stored(database, login))


def publish(
    world: StandIn,
    clock: Clock,
    number: int,
    *,
    login: str = "ada",
    first: int = 0,
    old: bool = False,
) -> None:
    """New gists of one file each."""
    for index in range(first, first + number):
        created_at = clock() - A_DAY * (1000 - index) if old else clock()
        world.add_gist(login, {f"{index}.py": f"{index}\n"}, created_at=created_at)


async def track_whole(world: StandIn, watcher: Watcher, database: Database, clock: Clock) -> None:
    """Track a user, and read the one gist that there is."""
    world.add_user("ada")
    world.add_gist("ada", {"known.py": "x"})
    clock.advance(A_SECOND)
    await track(database, clock, "ada")
    clock.advance(A_SECOND)
    await run(watcher)
    clock.advance(INTERVAL)


async def test_a_first_answer_that_is_cut_silently_floods_nothing(
    world: StandIn, server: Server, database: Database, clock: Clock
) -> None:
    """However wrong the time of adding is, so that old gists look like news."""
    world.add_user("first")
    world.add_user("ada")
    publish(world, clock, 1, old=True)
    world.graphql.cut_above = 1
    for login in ("first", "ada"):
        await track(database, clock, login, backfill="latest:3")
    async with database.begin() as transaction:
        long_ago = clock() - A_DAY * 2000
        await transaction.execute(
            update(users_table).values(added_at=long_ago, added_by_our_clock=0)
        )
    async with sweeping(server, clock) as github:
        watcher = watcher_of(database, github, clock)
        await run(watcher)
        assert await stored(database, "ada") == []
        world.graphql.cut_above = None
        publish(world, clock, 40, first=1, old=True)
        clock.advance(INTERVAL)
        await run(watcher)
    assert await states(database) == {HELD: 41}


RULES = {
    "none": {SKIPPED: 16},
    "latest:3": {PENDING: 3, SKIPPED: 13},
    "latest:14": {PENDING: 14, SKIPPED: 2},
    "all": {PENDING: 16},
    "since:2000-01-01": {PENDING: 16},
}


async def test_files_that_the_backfill_rule_asks_for_are_not_held(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    for number, rule in enumerate(RULES):
        world.add_user(f"user-{number}")
        publish(world, clock, 16, login=f"user-{number}", old=True)
        await track(database, clock, f"user-{number}", backfill=rule)
    await run(watcher_of(database, github, clock))
    for number, expected in enumerate(RULES.values()):
        assert await states(database, f"user-{number}") == expected


async def test_far_more_news_than_the_rule_lets_expect_is_held_at_the_first_reading(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    rules = {
        "none": {SKIPPED: 3, HELD: 14},
        "latest:3": {HELD: 17},
        "latest:20": {PENDING: 17},
        "all": {PENDING: 3, HELD: 14},
    }
    for number, rule in enumerate(rules):
        world.add_user(f"user-{number}")
        publish(world, clock, 3, login=f"user-{number}", old=True)
        await track(database, clock, f"user-{number}", backfill=rule)
    clock.advance(A_DAY * 30)  # nothing ran for a month
    for number in range(len(rules)):
        publish(world, clock, 14, login=f"user-{number}", first=10)
    await run(watcher_of(database, github, clock))
    for number, expected in enumerate(rules.values()):
        assert await states(database, f"user-{number}") == expected


async def test_a_check_of_the_ordinary_life_is_held_above_the_threshold_only(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    watcher = watcher_of(database, github, clock)
    await track_whole(world, watcher, database, clock)
    publish(world, clock, MOST)
    await run(watcher)
    assert await states(database) == {PENDING: MOST + 1}
    clock.advance(INTERVAL)
    publish(world, clock, MOST + 1, first=100)
    await run(watcher)
    assert await states(database) == {PENDING: MOST + 1, HELD: MOST + 1}
    clock.advance(INTERVAL)
    publish(world, clock, 1, first=200)
    await run(watcher)
    assert await states(database) == {PENDING: MOST + 2, HELD: MOST + 1}


async def test_a_held_file_that_is_deleted_is_skipped_if_the_setting_says_so(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    rules = Rules(interval=INTERVAL, publish_deleted=False, hold_above=1)
    watcher = Watcher(database, github, rules=rules, now=clock)
    await track_whole(world, watcher, database, clock)
    publish(world, clock, 1)
    deleted = world.add_gist("ada", {"deleted.py": "x"})
    await run(watcher)
    assert await states(database) == {PENDING: 1, HELD: 2}
    world.delete_gist(deleted)
    for _ in range(2):
        clock.advance(INTERVAL)
        await run(watcher)
    assert await states(database) == {PENDING: 1, HELD: 1, SKIPPED: 1}


async def test_a_held_gist_that_was_secret_for_a_while_is_held_again(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    rules = Rules(interval=INTERVAL, publish_deleted=False, hold_above=1)
    watcher = Watcher(database, github, rules=rules, now=clock)
    await track_whole(world, watcher, database, clock)
    publish(world, clock, 1)
    hidden = world.add_gist("ada", {"hidden.py": "x"})
    await run(watcher)
    gist = world.gist(hidden)
    assert gist
    gist.public = False
    for _ in range(2):
        clock.advance(INTERVAL)
        await run(watcher)
    assert await states(database) == {PENDING: 1, HELD: 1, SKIPPED: 1}
    world.make_public(hidden)
    for _ in range(2):
        clock.advance(INTERVAL)
        await run(watcher)
    assert await states(database) == {PENDING: 1, HELD: 2}


class OursIsAhead(Clock):
    """Our clock, apart from the world's."""

    def __init__(self, worlds: Clock) -> None:
        super().__init__()
        self._worlds = worlds
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return self._worlds() + self.ahead


async def test_files_queued_while_our_clock_was_ahead_make_no_flood(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    ours = OursIsAhead(clock)
    watcher = watcher_of(database, github, ours)
    world.add_user("ada")
    publish(world, clock, 3 * MOST, old=True)
    clock.advance(A_SECOND)
    ours.ahead = A_DAY
    await track(database, clock, "ada", backfill="all")
    await run(watcher)
    clock.advance(INTERVAL)
    ours.ahead = timedelta(0)
    await run(watcher)
    for _ in range(2):
        clock.advance(INTERVAL + 30 * A_SECOND)
        await run(watcher)
    publish(world, clock, 1, first=1000)
    clock.advance(INTERVAL)
    await run(watcher)
    assert await states(database) == {PENDING: 3 * MOST + 1}


async def test_with_0_nothing_is_held(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    rules = Rules(interval=INTERVAL, hold_above=0)
    watcher = Watcher(database, github, rules=rules, now=clock)
    await track_whole(world, watcher, database, clock)
    publish(world, clock, 20)
    await run(watcher)
    assert await states(database) == {PENDING: 21}


async def test_one_gist_with_many_files_is_a_flood_as_well(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    watcher = watcher_of(database, github, clock)
    await track_whole(world, watcher, database, clock)
    world.add_gist("ada", {f"{index}.py": "x" for index in range(MOST + 1)})
    await run(watcher)
    assert await states(database) == {PENDING: 1, HELD: MOST + 1}


async def test_edits_that_are_published_count(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    watcher = watcher_of(database, github, clock, on_edit=OnEdit.NEW)
    await track_whole(world, watcher, database, clock)
    ids = [world.add_gist("ada", {"a.py": str(index)}) for index in range(MOST)]
    await run(watcher)
    clock.advance(INTERVAL)
    for gist_id in ids:
        world.edit_gist(gist_id, {"a.py": f"{gist_id} anew"})
    publish(world, clock, 1, first=100)
    await run(watcher)
    assert await states(database) == {PENDING: MOST + 1, HELD: 1}
    async with database.read() as transaction:
        summary = await held.summary(transaction)
    assert summary
    assert summary.files == MOST + 1


@pytest.mark.parametrize("number", [MOST, MOST + 1])
async def test_edits_of_what_another_database_published_count_also_where_the_rule_skips_the_past(
    world: StandIn,
    github: GitHub,
    database: Database,
    clock: Clock,
    *,
    number: int,
) -> None:
    """A new database, and a Pipedrive that has all files with the content of then."""
    watcher = watcher_of(database, github, clock, on_edit=OnEdit.NEW)
    world.add_user("ada")
    created_at = clock() - A_DAY
    ids = [world.add_gist("ada", {"a.py": "v2"}, created_at=created_at) for _ in range(number)]
    async with database.begin() as transaction:
        account = await accounts.meet(
            transaction, NamedAccount(Vendor.DESTINATION, "1", "x"), credential=None, now=clock()
        )
        seen = [
            Sighting(
                ActivityId(index),
                marker_of(GistId(gist_id), "a.py"),
                DealId(7),
                None,
                content_tag_of(blob_hash(b"v1")),
            )
            for index, gist_id in enumerate(ids, start=1)
        ]
        await markers.take_in(transaction, account.key, seen, clock(), on_edit=OnEdit.NEW)
    clock.advance(A_SECOND)
    await track(database, clock, "ada", "none")
    clock.advance(A_SECOND)
    await run(watcher)
    state = PENDING if number == MOST else HELD
    assert await states(database) == {state: number}


async def test_a_reading_that_goes_on_in_several_checks_does_not_slip_under_the_threshold(
    world: StandIn,
    github: GitHub,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a check that is cut short after each few gists; each check alone is below it."""
    watcher = watcher_of(database, github, clock)
    await track_whole(world, watcher, database, clock)
    monkeypatch.setattr(reading, "LONGEST_READING", timedelta(0) - A_SECOND)
    monkeypatch.setattr("gitpip.watch.decide.BATCH_GISTS", 5)
    publish(world, clock, MOST)
    await run(watcher)
    assert await states(database) == {PENDING: 1 + 5}
    publish(world, clock, 5, first=100)  # more appears while it is read
    for _ in range(4):
        clock.advance(A_SECOND)
        await run(watcher)
    found = await states(database)
    assert found == {PENDING: 1 + 5, HELD: MOST}
    assert found[PENDING] <= MOST


@pytest.mark.parametrize("answer", [None, "all", "latest:3"])
async def test_unread_files_of_a_flood_are_held_when_they_are_read(
    *, world: StandIn, github: GitHub, database: Database, clock: Clock, answer: str | None
) -> None:
    watcher = watcher_of(database, github, clock)
    await track_whole(world, watcher, database, clock)
    publish(world, clock, MOST)
    blocked = [world.add_gist("ada", {f"blocked-{index}.py": "x"}) for index in range(5)]
    for gist_id in blocked:
        world.block_gist(gist_id)
    await run(watcher)
    assert await states(database) == {PENDING: 1, HELD: MOST}
    if answer:
        async with database.begin() as transaction:
            approved = Backfill.parse(answer)
            await held.answer(transaction, "ada", approved, now=clock())
    for gist_id in blocked:
        world.block_gist(gist_id, blocked=False)
    clock.advance(INTERVAL)
    await run(watcher)
    then = {
        None: {PENDING: 1, HELD: MOST + 5},
        "all": {PENDING: 1 + MOST + 5},
        "latest:3": {PENDING: 1 + 3, SKIPPED: MOST - 3 + 5},
    }
    assert await states(database) == then[answer]


async def test_a_user_added_again_gets_what_was_asked_for(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    watcher = watcher_of(database, github, clock)
    await track_whole(world, watcher, database, clock)
    user = await user_named(database, "ada")
    async with database.begin() as transaction:
        await users.remove(transaction, user.key, clock())
    publish(world, clock, 20)
    clock.advance(A_DAY)
    await track(database, clock, "ada", backfill="all")
    await run(watcher)
    assert await states(database) == {PENDING: 21}
    clock.advance(INTERVAL)
    publish(world, clock, 20, first=100)
    await run(watcher)
    assert await states(database) == {PENDING: 21, HELD: 20}


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 11)),
    hold_above=st.integers(1, 40),
)
def test_before_an_answer_a_reading_never_sends_more_than_the_threshold(
    sizes: list[int], cuts: set[int], hold_above: int
) -> None:
    """Wherever checks and transactions cut it, and although each check knows only what is left."""
    listed = {GistId(f"g{number}"): size for number, size in enumerate(sizes)}
    queued: dict[GistId, int] = {}
    pending = waiting = 0
    plan: dict[GistId, int] = {}
    for number, (gist_id, size) in enumerate(listed.items()):
        if number in cuts or not plan:
            plan = {key: value for key, value in listed.items() if key not in queued}
        files = flood.merged_counts(plan, {**queued, gist_id: size})
        if flood.is_flood(READ_BEFORE, files, hold_above=hold_above):
            waiting += size
        else:
            pending += size
        queued[gist_id] = size
    assert pending <= hold_above
    assert (waiting == 0) == (sum(sizes) <= hold_above)
