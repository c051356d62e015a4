"""What cannot be read is noted, tried again, and costs nothing else: each way GitHub can fail."""

import json
import re
from collections.abc import Iterable
from datetime import timedelta

import pytest

from gitpip.model import PublicationState, Unreadable, UserState
from gitpip.store.database import Database
from gitpip.store.gists import public_feed as feed_rows
from gitpip.store.gists import unreadable
from gitpip.store.status import checks
from gitpip.store.users import users
from gitpip.watch.check import Watcher
from gitpip.watch.decide import known_until
from gitpip.watch.github.rest_models import parse_gists
from gitpip.watch.github.transport import GitHubAnswer
from gitpip.watch.public_feed import PublicFeed
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from gitpip_standins.github.troubles import GistTroubles
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.test_check import run, stored, track, user_named

A_DAY = timedelta(days=1)
A_MINUTE = timedelta(minutes=1)

NOT_AT_ALL = {
    "blocked": GistTroubles(blocked=403),
    "blocked for legal reasons": GistTroubles(blocked=451),
    "server error": GistTroubles(failing="500"),
    "bad gateway": GistTroubles(failing="502"),
    "listed, but not found": GistTroubles(failing="404"),
    "broken answer": GistTroubles(failing="broken"),
    "missing raw files": GistTroubles(missing_raw={"1.txt", "2.txt"}),
    "null": GistTroubles(odd="null"),
    "no id": GistTroubles(odd="no-id"),
    "wrong types": GistTroubles(odd="wrong-types", odd_alone=True),
    "no files": GistTroubles(odd="no-files", odd_alone=True),
    "bad time": GistTroubles(odd="bad-time", odd_alone=True),
    "wrong owner": GistTroubles(odd="wrong-owner", odd_alone=True),
    "refused by the database": GistTroubles(odd="same-name", odd_alone=True),
}
IN_PART = {
    "one missing raw file": GistTroubles(missing_raw={"1.txt"}),
    "no raw_url": GistTroubles(odd="no-raw-url", odd_alone=True),
    "null file": GistTroubles(odd="null-file", odd_alone=True),
    "negative size": GistTroubles(odd="negative-size", odd_alone=True),
}
IN_A_ROUNDABOUT_WAY = {
    "too large": GistTroubles(failing="too-large"),
    "no owner": GistTroubles(odd="no-owner", odd_alone=True),
    **{
        f"{odd} in the list": GistTroubles(odd=odd)
        for odd in ("wrong-owner", "wrong-types", "no-files", "bad-time", "no-raw-url", "null-file")
    },
}


def readable_files(troubles: GistTroubles, names: Iterable[str]) -> set[str]:
    """The files of a gist that a client can read which tries everything."""
    if troubles in NOT_AT_ALL.values():
        return set()
    first = {"1.txt"} if troubles in IN_PART.values() else set()
    return set(names) - first


async def rows_of(database: Database, login: str) -> tuple[Unreadable, ...]:
    async with database.read() as transaction:
        user = await users.find(transaction, login)
        return await unreadable.of_user(transaction, user.key)


async def names_of(database: Database, login: str) -> list[str]:
    return [file.filename for file in await stored(database, login)]


@pytest.mark.parametrize("name", [*NOT_AT_ALL, *IN_PART, *IN_A_ROUNDABOUT_WAY])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_one_bad_gist_is_noted_and_costs_nothing_else(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, name: str
) -> None:
    troubles = (NOT_AT_ALL | IN_PART | IN_A_ROUNDABOUT_WAY)[name]
    world.add_user("ada")
    world.add_user("bob")
    await track(database, clock, "ada")
    await track(database, clock, "bob")
    await run(watcher)
    complete_before = (await user_named(database, "ada")).complete_until
    clock.advance(A_DAY)
    bad = world.add_gist("ada", {"1.txt": "one", "2.txt": "two"})
    world.add_gist("ada", {"newer.txt": "text"})
    world.add_gist("bob", {"bob.txt": "text"})
    world.trouble_gist(bad, troubles)

    check = await run(watcher)

    readable = readable_files(troubles, ["1.txt", "2.txt"])
    assert check.failed == 0
    assert set(await names_of(database, "ada")) == readable | {"newer.txt"}
    assert await names_of(database, "bob") == ["bob.txt"]
    ada, rows = await user_named(database, "ada"), await rows_of(database, "ada")
    assert ada.state is UserState.ACTIVE
    assert ada.failure is None
    bob = await user_named(database, "bob")
    assert bob.complete_until == known_until(clock())
    if len(readable) == 2:
        assert rows == ()
        assert ada.complete_until == known_until(clock())
        return
    assert rows
    assert {row.gist_id for row in rows} <= {bad, ""}
    assert all(row.reason for row in rows)
    assert ada.complete_until == complete_before
    assert ada.unreadable == len(rows)
    await _mend(world, watcher, database, clock, bad)


async def _mend(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, bad: str
) -> None:
    """The trouble ends: the row goes, and everything is stored and queued once."""
    world.trouble_gist(bad, GistTroubles())
    clock.advance(A_MINUTE)
    assert await watcher.due()
    await run(watcher)
    assert await rows_of(database, "ada") == ()
    files = await stored(database, "ada")
    assert sorted(file.filename for file in files) == ["1.txt", "2.txt", "newer.txt"]
    assert {file.publication for file in files} == {PublicationState.PENDING}
    assert (await user_named(database, "ada")).complete_until == known_until(clock())


async def test_a_gist_that_is_read_after_all_is_compared_with_the_list(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    """The answer about it may be older than the list, which did not change since."""
    world.add_user("ada")
    await track(database, clock, "ada")
    await run(watcher)
    clock.advance(A_DAY)
    gist = world.add_gist("ada", {"1.txt": "one"})
    clock.advance(timedelta(seconds=5))
    world.edit_gist(gist, {"2.txt": "two"})
    world.lists.gists_behind = timedelta(minutes=2)
    await run(watcher)
    assert len(await rows_of(database, "ada")) == 1
    # Now the answer shows the gist as it was before the edit.
    clock.advance(timedelta(minutes=2) - timedelta(seconds=3))
    await run(watcher)
    assert await rows_of(database, "ada") == ()
    assert sorted(await names_of(database, "ada")) == ["1.txt", "2.txt"]


async def test_a_stored_gist_that_the_list_names_is_not_gone(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    gist = world.add_gist("ada", {"1.txt": "one"})
    await track(database, clock, "ada")
    await run(watcher)
    before = (await user_named(database, "ada")).complete_until
    clock.advance(A_DAY)
    world.edit_gist(gist, {"2.txt": "two"})
    world.trouble_gist(gist, GistTroubles(failing="404"))
    for _ in range(4):
        await run(watcher)
        clock.advance(A_DAY)
        assert len(await rows_of(database, "ada")) == 1
        assert (await user_named(database, "ada")).complete_until == before
    world.trouble_gist(gist, GistTroubles())
    await run(watcher)
    assert sorted(await names_of(database, "ada")) == ["1.txt", "2.txt"]
    assert await rows_of(database, "ada") == ()


async def test_tries_are_ever_further_apart_and_ask_for_that_gist_alone(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    bad = world.add_gist("ada", {"1.txt": "one"})
    world.add_gist("ada", {"good.txt": "text"})
    world.block_gist(bad, status=451)
    await track(database, clock, "ada")
    await run(watcher)
    waits = []
    for _ in range(13):
        (row,) = await rows_of(database, "ada")
        waits.append(row.next_try_at - clock())
        clock.now = row.next_try_at - timedelta(seconds=1)
        asked = len(world.requests)
        await run(watcher)
        assert not [r for r in world.requests[asked:] if r.path.startswith("/gists/")]
        clock.now = row.next_try_at
        asked = len(world.requests)
        await run(watcher)
        assert [(r.path, r.status) for r in world.requests[asked:]] == [
            (f"/user/{(await user_named(database, 'ada')).github_id}/gists", 304),
            (f"/gists/{bad}", 451),
        ]
    assert waits[:4] == [A_MINUTE * 2**number for number in range(4)]
    assert waits[-1] == A_DAY
    assert "451" in row.reason
    assert row.failures == 13


@pytest.mark.long
async def test_a_gist_that_failed_a_few_times_is_requested_twice_in_a_check(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    bad = world.add_gist("ada", {"1.txt": "one"})
    world.trouble_gist(bad, GistTroubles(failing="502"))
    await track(database, clock, "ada")
    requests = []
    for _ in range(7):
        before = len(world.requests)
        await run(watcher)
        requests.append(sum(r.path == f"/gists/{bad}" for r in world.requests[before:]))
        (row,) = await rows_of(database, "ada")
        clock.now = row.next_try_at
    assert requests == [3, 2, 2, 2, 2, 1, 1]


@pytest.mark.parametrize(
    ("path", "troubles"),
    [("^/gists/", GistTroubles()), ("/raw/", GistTroubles(failing="too-large"))],
)
async def test_one_broken_answer_of_two_does_not_put_off_a_gist_again(
    world: StandIn,
    watcher: Watcher,
    database: Database,
    clock: Clock,
    path: str,
    troubles: GistTroubles,
) -> None:
    world.add_user("ada")
    world.trouble_gist(world.add_gist("ada", {"1.txt": "one"}), troubles)
    await track(database, clock, "ada")
    world.faults.script(Fault.error(502), path=path, times=3)
    await run(watcher)
    (row,) = await rows_of(database, "ada")
    world.faults.script(Fault.error(502), path=path)
    clock.now = row.next_try_at
    await run(watcher)
    assert await names_of(database, "ada") == ["1.txt"]


@pytest.mark.parametrize("everybody", [False, True])
async def test_a_user_who_is_checked_on_request_is_tried_at_once(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, *, everybody: bool
) -> None:
    world.add_user("ada")
    bad = world.add_gist("ada", {"1.txt": "one"})
    world.block_gist(bad)
    await track(database, clock, "ada")
    for _ in range(10):
        await run(watcher)
        clock.advance(A_DAY)
    await run(watcher)
    world.block_gist(bad, blocked=False)
    clock.advance(A_MINUTE)
    ada = await user_named(database, "ada")
    async with database.begin() as transaction:
        if everybody:
            await checks.request(transaction, clock())
        else:
            await users.make_due(transaction, ada.key, clock())
    await run(watcher)
    assert await names_of(database, "ada") == ["1.txt"]


async def test_a_gist_of_350_files_is_read_with_all_of_them_by_a_token(
    world: StandIn, server: Server, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    files = {f"file {number}.txt": f"text {number}\n" for number in range(350)}
    gist_id = world.add_gist("ada", dict(files))
    await track(database, clock, "ada")
    async with sweeping(server, clock) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        await run(watcher)
        assert {file.filename: file.content for file in await stored(database, "ada")} == files
        assert await rows_of(database, "ada") == ()
        clock.advance(INTERVAL)
        assert (await run(watcher)).unchanged == 1
        # An edit of a file that no list shows is known by the time of the update alone.
        world.edit_gist(gist_id, {"file 349.txt": "edited"})
        clock.advance(INTERVAL)
        await run(watcher)
        assert (await stored(database, "ada"))[349].content == "edited"
        assert len(await stored(database, "ada")) == 350


async def test_files_beyond_300_are_noted_where_nothing_can_name_them(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    gist_id = world.add_gist("ada", {f"{number}.txt": "text" for number in range(350)})
    await track(database, clock, "ada")
    await run(watcher)
    assert len(await stored(database, "ada")) == 300
    (row,) = await rows_of(database, "ada")
    assert (row.gist_id, row.filename) == (gist_id, "")
    assert "only 300" in row.reason
    assert "needs a token" in row.reason
    for _ in range(2):
        clock.now = row.next_try_at
        await run(watcher)
        (again,) = await rows_of(database, "ada")
        assert again.failures == row.failures + 1
        row = again


@pytest.mark.long
async def test_a_page_that_fails_hides_no_gist_of_the_others(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    for number in range(120):
        world.add_gist("ada", {f"{number}.txt": "t"}, created_at=clock() - A_DAY * number)
    await track(database, clock, "ada")
    world.lists.failing_pages = {2}
    await run(watcher)
    assert len(await stored(database, "ada")) == 100
    (row,) = await rows_of(database, "ada")
    assert (row.gist_id, row.filename) == ("", "")
    assert "page 2" in row.reason
    assert (await user_named(database, "ada")).complete_until is None
    world.add_gist("ada", {"new.txt": "text"})
    clock.advance(INTERVAL)
    await run(watcher)
    assert (await names_of(database, "ada"))[-1] == "new.txt"
    world.lists.failing_pages = set()
    clock.advance(INTERVAL)
    await run(watcher)
    assert len(await stored(database, "ada")) == 121
    assert await rows_of(database, "ada") == ()


@pytest.mark.parametrize(
    ("backfill", "published"),
    [("none", set()), ("latest:1", {"newest.txt"}), ("all", {"old.txt", "newest.txt"})],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_backfill_rule_also_holds_for_what_is_read_late(
    *,
    world: StandIn,
    watcher: Watcher,
    database: Database,
    clock: Clock,
    backfill: str,
    published: set[str],
) -> None:
    world.add_user("ada")
    old = world.add_gist("ada", {"old.txt": "t"}, created_at=clock() - A_DAY * 9)
    newest = world.add_gist("ada", {"newest.txt": "t"}, created_at=clock() - A_DAY)
    for gist_id in (old, newest):
        world.block_gist(gist_id)
    clock.advance(A_MINUTE)
    await track(database, clock, "ada", backfill)
    clock.advance(A_MINUTE)
    await run(watcher)
    world.add_gist("ada", {"later.txt": "t"})
    for gist_id in (old, newest):
        world.block_gist(gist_id, blocked=False)
    clock.advance(INTERVAL)
    await run(watcher)
    files = await stored(database, "ada")
    assert len(files) == 3
    pending = {f.filename for f in files if f.publication is PublicationState.PENDING}
    assert pending == published | {"later.txt"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_backfill_rule_also_holds_for_a_page_that_is_read_late(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    for number in range(150):
        world.add_gist("ada", {f"{number}.txt": "t"}, created_at=clock() - A_DAY * (number + 1))
    await track(database, clock, "ada", "none")
    world.lists.failing_pages = {2}
    await run(watcher)
    assert len(await stored(database, "ada")) == 100
    world.lists.failing_pages = set()
    world.add_gist("ada", {"new.txt": "text"})
    # The limit ends the check in between: what is read in the next one is old as well.
    world.limits.with_token = 45
    clock.advance(timedelta(hours=2))
    await run(watcher)
    world.limits.with_token = None
    assert 100 < len(await stored(database, "ada")) < 151
    clock.advance(INTERVAL)
    await run(watcher)
    files = await stored(database, "ada")
    assert len(files) == 151
    pending = [file for file in files if file.publication is PublicationState.PENDING]
    assert [file.filename for file in pending] == ["new.txt"]
    assert await rows_of(database, "ada") == ()


async def test_a_blocked_gist_that_the_list_hides_is_gone_and_its_owner_stays(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    gist_id = world.add_gist("ada", {"1.txt": "one"})
    await track(database, clock, "ada")
    await run(watcher)
    world.block_gist(gist_id, status=451)
    world.lists.hide_blocked = True
    for number in range(4):
        clock.advance(INTERVAL)
        world.add_gist("ada", {f"new {number}.txt": "text"})
        assert (await run(watcher)).gists == 1
    assert (await user_named(database, "ada")).state is UserState.ACTIVE
    assert (await stored(database, "ada"))[0].removed_at


async def test_a_listed_gist_that_turns_secret_or_is_deleted_leaves_no_row(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    deleted, secret = (world.add_gist("ada", {f"{n}.txt": "text"}) for n in range(2))
    for gist_id in (deleted, secret):
        world.block_gist(gist_id)
    await track(database, clock, "ada")
    await run(watcher)
    assert len(await rows_of(database, "ada")) == 2
    world.delete_gist(deleted)
    gist = world.gist(secret)
    assert gist
    gist.public = False
    clock.advance(A_DAY)
    await run(watcher)
    assert await rows_of(database, "ada") == ()
    assert (await user_named(database, "ada")).complete_until == known_until(clock())


async def test_odd_items_do_not_blind_the_public_feed(
    world: StandIn, server: Server, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    world.add_user("stranger")
    await track(database, clock, "ada")
    async with sweeping(server, clock) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        feed = PublicFeed(database, github, now=clock)
        await run(watcher)
        await feed.read()
        for odd in ("null", "no-id", "no-owner", "wrong-owner", "bad-time", "null-file"):
            clock.advance(A_MINUTE)
            gist_id = world.add_gist("stranger", {"1.txt": "text"})
            world.trouble_gist(gist_id, GistTroubles(odd=odd))
            world.add_gist("ada", {f"{odd}.txt": "text"})
            assert await feed.read() == 1, odd
            await run(watcher)
        assert len(await stored(database, "ada")) == 6
        clock.advance(A_MINUTE)
        own = world.add_gist("ada", {"own.txt": "text"})
        world.trouble_gist(own, GistTroubles(odd="wrong-types"))
        assert await feed.read() == 1
        clock.advance(A_MINUTE)
        assert await feed.read() == 0
    async with database.read() as transaction:
        state = await feed_rows.get(transaction)
    assert state
    assert state.gaps == 0


async def test_the_summary_counts_tracked_users_only(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    for login in ("ada", "bob"):
        world.add_user(login)
        world.block_gist(world.add_gist(login, {"1.txt": "one"}))
        world.trouble_gist(
            world.add_gist(login, {"1.txt": "one", "2.txt": "two"}),
            GistTroubles(missing_raw={"1.txt", "2.txt"}),
        )
        await track(database, clock, login)
    await run(watcher)
    first = clock()
    async with database.read() as transaction:
        found = await unreadable.summary(transaction)
    assert (found.gists, found.users, found.since) == (4, 2, first)
    assert found.example
    assert found.example.startswith("ada: ")
    bob = await user_named(database, "bob")
    async with database.begin() as transaction:
        await users.remove(transaction, bob.key, clock())
    async with database.read() as transaction:
        found = await unreadable.summary(transaction)
        assert (found.gists, found.users) == (2, 1)
        await users.remove(transaction, (await users.find(transaction, "ada")).key, clock())
        nothing = await unreadable.summary(transaction)
    assert (nothing.gists, nothing.users, nothing.since, nothing.example) == (0, 0, None, None)


WHOLE: dict[str, object] = {
    "id": "aa11",
    "html_url": "https://gist.github.com/aa11",
    "public": True,
    "created_at": "2026-05-04T12:00:00Z",
    "updated_at": "2026-05-04T12:00:00Z",
    "files": {},
}
PYDANTIC = re.compile("[Ii]nput|[Ff]ield|String|valid|dictionary|instance|Shape|Value error")


@pytest.mark.parametrize("odd", [None, 5, "", [], {}, True])
@pytest.mark.parametrize("name", [*WHOLE, "owner", "description", None])
def test_what_is_odd_is_said_in_plain_words(name: str | None, odd: object) -> None:
    item = odd if name is None else WHOLE | {name: odd}
    answer = GitHubAnswer(200, {}, json.dumps([item]).encode(), "https://api.github.com/gists")
    for one in parse_gists(answer)[1]:
        assert not PYDANTIC.search(one.reason), one.reason
