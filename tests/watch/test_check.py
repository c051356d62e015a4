"""Checks over a real socket and both databases: what is stored, what it costs, what goes wrong."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from gitpip.model import (
    Account,
    Backfill,
    Check,
    FailureKind,
    GistFile,
    GitHubId,
    PublicationState,
    User,
    UserState,
)
from gitpip.store.database import Database
from gitpip.store.gists import gists, unreadable
from gitpip.store.schema import users as users_table
from gitpip.store.status import checks, pauses
from gitpip.store.users import schedule, users
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.watch.conftest import INTERVAL, Clock

A_DAY = timedelta(days=1)


async def track(database: Database, clock: Clock, login: str, backfill: str = "all") -> User:
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            login,
            external_id=f"id of {login}",
            account=None,
            backfill=Backfill.parse(backfill),
            now=clock(),
        )
    return added.user


async def stored(database: Database, login: str) -> list[GistFile]:
    async with database.read() as transaction:
        user = await users.find(transaction, login)
        files = await gists.between(transaction, user.key, after=0, up_to=10**6)
    assert [file.sequence for file in files] == list(range(1, len(files) + 1))
    return list(files)


async def user_named(database: Database, login: str) -> User:
    async with database.read() as transaction:
        return await users.find(transaction, login)


async def run(watcher: Watcher) -> Check:
    check = await watcher.run()
    assert check is not None
    return check


def fill(world: StandIn, clock: Clock, login: str, number: int) -> list[str]:
    return [
        world.add_gist(
            login,
            {f"{index}.py": f"print({index})\n"},
            created_at=clock() - A_DAY * 400 + A_DAY * index,
        )
        for index in range(number)
    ]


async def test_a_user_with_250_gists_is_stored_whole_and_then_costs_one_304(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    ids = fill(world, clock, "ada", 250)
    await track(database, clock, "ada")

    check = await run(watcher)

    assert (check.users, check.gists, check.files, check.failed) == (1, 250, 250, 0)
    assert check.started_at is not None
    assert check.ended_at is not None
    files = await stored(database, "ada")
    assert [file.gist_id for file in files] == ids
    assert [file.content for file in files] == [f"print({index})\n" for index in range(250)]
    assert {file.publication for file in files} == {PublicationState.PENDING}
    for _ in range(2):
        clock.advance(INTERVAL)
        before = len(world.requests)
        check = await run(watcher)
        assert [request.status for request in world.requests[before:]] == [304]
        assert (check.users, check.unchanged, check.gists) == (1, 1, 0)


async def test_a_new_file_in_an_old_gist_among_250_is_found(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    ids = fill(world, clock, "ada", 250)
    await track(database, clock, "ada")
    await run(watcher)
    clock.advance(timedelta(hours=1))
    world.edit_gist(ids[0], {"late.md": "# Late\n"})
    clock.advance(INTERVAL)

    check = await run(watcher)

    assert (check.gists, check.files) == (1, 1)
    last = (await stored(database, "ada"))[-1]
    assert (last.filename, last.content, last.sequence) == ("late.md", "# Late\n", 251)
    clock.advance(INTERVAL)
    before = len(world.requests)
    assert (await run(watcher)).unchanged == 1
    assert [request.status for request in world.requests[before:]] == [304]


async def test_what_no_time_betrays_is_found_within_a_day(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    ids = fill(world, clock, "ada", 150)
    world.gist(ids[3]).public = False  # type: ignore[union-attr]  # it is there
    await track(database, clock, "ada")
    assert (await run(watcher)).gists == 149
    world.gist(ids[3]).public = True  # type: ignore[union-attr]  # it is there
    clock.advance(A_DAY)

    assert (await run(watcher)).gists == 1
    assert (await stored(database, "ada"))[-1].gist_id == ids[3]


async def test_a_burst_of_gists_this_very_second_does_not_hide_later_ones(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    for index in range(120):
        world.add_gist("ada", {f"{index}.txt": "text"})
    await track(database, clock, "ada")
    clock.advance(timedelta(seconds=3))
    assert (await run(watcher)).gists == 120
    world.add_gist("ada", {"next.txt": "text"})
    clock.advance(INTERVAL)
    assert (await run(watcher)).gists == 1
    clock.advance(INTERVAL)
    assert (await run(watcher)).unchanged == 1


PUBLISHED = {
    "all": {"old", "middle", "recent", "later"},
    "none": {"later"},
    "latest:2": {"middle", "recent", "later"},
    "since:2026-05-03": {"recent", "later"},
}


@pytest.mark.parametrize("backfill", PUBLISHED)
async def test_the_backfill_rule_is_about_what_existed_before(
    world: StandIn,
    watcher: Watcher,
    database: Database,
    clock: Clock,
    backfill: str,
) -> None:
    world.add_user("ada")
    for name, days in (("old", 9), ("middle", 5), ("recent", 1)):
        world.add_gist("ada", {name: name}, created_at=clock() - A_DAY * days)
    await track(database, clock, "ada", backfill)
    world.add_gist("ada", {"later": "made before the first look"})

    await run(watcher)

    files = await stored(database, "ada")
    assert [file.filename for file in files] == ["old", "middle", "recent", "later"]
    states = {file.filename: file.publication for file in files}
    assert {name for name in states if states[name] is PublicationState.PENDING} == PUBLISHED[
        backfill
    ]
    assert set(states.values()) <= {PublicationState.PENDING, PublicationState.SKIPPED}
    world.add_gist("ada", {"even later": "text"}, created_at=clock() - A_DAY * 30)
    clock.advance(INTERVAL)
    await run(watcher)
    # Whenever it is found: it is older than the adding.
    found_late = (await stored(database, "ada"))[-1].publication
    assert found_late is (
        PublicationState.PENDING if backfill == "all" else PublicationState.SKIPPED
    )


OTHER_ENCODINGS = {
    "windows.txt": ("Grüße 🎁\r\n".encode("utf-16"), "Grüße 🎁\r\n"),
    "latin.txt": ("Schöne Grüße\n".encode("latin-1"), "Schöne Grüße\n"),
    "zero.txt": (b"a\0b", "ab"),
}


async def test_contents_are_stored_up_to_one_megabyte_and_only_if_text(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    megabyte = 1024 * 1024
    texts = {"small.md": "Grüße 🎁\n", "empty.txt": "", "largest.txt": "x" * megabyte}
    world.add_gist(
        "ada",
        {
            **texts,
            "larger.txt": "x" * (megabyte + 1),
            "image.png": b"\x89PNG\r\n\xff\xfe",
            **{name: content for name, (content, _) in OTHER_ENCODINGS.items()},
        },
        description="with \0 zero",
    )
    await track(database, clock, "ada")

    await run(watcher)

    files = {file.filename: file for file in await stored(database, "ada")}
    for name, text in texts.items():
        assert files[name].content == text
        assert files[name].size == len(text.encode())
        assert not files[name].truncated
    for name, (content, text) in OTHER_ENCODINGS.items():
        assert files[name].content == text
        assert files[name].size == len(content)
        assert not files[name].truncated
    for name in ("larger.txt", "image.png"):
        assert files[name].content is None
        assert files[name].truncated
        assert "/raw/" in files[name].raw_url
    assert files["small.md"].language == "Markdown"


async def test_one_users_failure_never_stops_the_others(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    troubles = {
        "drop": Fault.drop(),
        "cut": Fault.cut(),
        "html": Fault.html(200),
        "error": Fault.error(502),
        "broken": Fault.broken_json(),
        "empty": Fault.empty(),
    }
    for login in (*troubles, "blocked", "ada", "bob"):
        user_id = world.add_user(login)
        world.add_gist(login, {"a.txt": login})
        if login in troubles:
            world.faults.script(troubles[login], path=f"^/user/{user_id}/gists", times=None)
        if login == "blocked":
            world.block_user(user_id)
    for login in (*troubles, "blocked", "nobody", "ada", "bob"):
        await track(database, clock, login)

    check = await run(watcher)

    assert (check.users, check.failed, check.gists) == (10, 8, 2)
    assert len(check.failures) == 8
    assert {line.partition(":")[0] for line in check.failures} == {*troubles, "blocked", "nobody"}
    for login in ("ada", "bob"):
        assert [file.content for file in await stored(database, login)] == [login]
    world.faults.clear()
    clock.advance(timedelta(minutes=1))
    check = await run(watcher)
    assert (check.users, check.gists) == (len(troubles), len(troubles))
    assert (await user_named(database, "drop")).failure is None


async def test_a_user_whom_github_shows_no_more_is_looked_at_rarely_and_comes_back(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    user_id = world.add_user("ada")
    await track(database, clock, "ada")
    await run(watcher)
    world.hide_user(user_id, 3)
    for looks in (1, 2, 3):
        clock.advance(INTERVAL)
        await run(watcher)
        ada = await user_named(database, "ada")
        assert ada.failures == looks
        assert ada.state is (UserState.UNAVAILABLE if looks == 3 else UserState.ACTIVE)
    clock.advance(INTERVAL)
    assert not await watcher.due()
    world.add_gist("ada", {"back.txt": "back"})
    clock.advance(A_DAY)
    assert (await run(watcher)).gists == 1
    assert (await user_named(database, "ada")).state is UserState.ACTIVE


async def test_a_limit_ends_the_check_and_nobody_asks_before_it_is_over(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.limits.with_token = 20
    world.add_user("ada")
    fill(world, clock, "ada", 40)
    await track(database, clock, "ada")

    check = await run(watcher)

    assert check.ended_at is not None
    assert (check.users, check.failed) == (0, 0)
    assert "limit" in check.failures[0]
    assert len(await stored(database, "ada")) == 18
    asked = len(world.requests)
    assert asked == 20
    clock.advance(timedelta(minutes=59))
    assert not await watcher.due()
    assert await watcher.run() is None
    assert len(world.requests) == asked
    while len(await stored(database, "ada")) < 40:
        clock.advance(timedelta(minutes=61))
        assert await watcher.due()
        await run(watcher)
    assert (await user_named(database, "ada")).checked_at == clock()


async def test_a_secondary_limit_is_waited_for(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    await track(database, clock, "ada")
    world.faults.script(Fault.limited({"retry-after": "120"}))
    await run(watcher)
    assert len(world.requests) == 1
    clock.advance(timedelta(seconds=119))
    assert await watcher.run() is None
    clock.advance(timedelta(seconds=1))
    assert (await run(watcher)).users == 1


async def test_a_refused_token_pauses_watching_and_is_never_left_out(
    world: StandIn, server: Server, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    await track(database, clock, "ada")
    async with GitHub(
        api_url=server.url, token="wrong", timeout=timedelta(seconds=60), now=clock
    ) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)
        check = await run(watcher)
        assert "token" in check.failures[0]
        assert await watcher.run() is None
        async with database.read() as transaction:
            pause = await pauses.paused(transaction, pauses.WATCHING, clock())
        assert pause is not None
        clock.advance(timedelta(minutes=5))
        await run(watcher)
    # Each refusal is confirmed by a request that costs nothing.
    assert [(request.path, request.status) for request in world.requests] == [
        ("/users/ada", 401),
        ("/rate_limit", 401),
    ] * 2


@pytest.mark.parametrize("path", ["/user/{}/gists", "/gists/"], ids=["list", "gist"])
async def test_a_401_at_one_address_only_pauses_nothing(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock, path: str
) -> None:
    for login in ("ada", "bob", "cid"):
        world.add_user(login)
        await track(database, clock, login)
    await run(watcher)
    clock.advance(INTERVAL)
    gist = world.add_gist("ada", {"a.txt": "ada"})
    for login in ("bob", "cid"):
        world.add_gist(login, {"b.txt": login})
    ada = world.user_of("ada")
    assert ada
    refused = f"{path}{gist}" if path == "/gists/" else path.format(ada.id)
    world.faults.script(Fault.html(401), path=refused, times=None)
    check = await run(watcher)
    assert (check.users, check.files) == (3, 2)
    async with database.read() as transaction:
        assert not await pauses.pauses_now(transaction, clock())
        user = await users.find(transaction, "ada")
        rows = await unreadable.of_user(transaction, user.key)
    assert "401" in (user.failure or rows[0].reason)
    world.faults.clear()
    clock.advance(INTERVAL)
    assert (await run(watcher)).files == 1


async def test_a_rename_is_followed_also_when_the_login_is_taken_over(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    ada = world.add_user("ada")
    bob = world.add_user("bob")
    for login in ("ada", "bob"):
        world.add_gist(login, {f"{login}.txt": login})
        await track(database, clock, login)
    await run(watcher)
    world.rename(ada, "countess")
    world.rename(bob, "ada")
    for _ in range(2):
        clock.advance(INTERVAL)
        await run(watcher)
    assert (await user_named(database, "countess")).github_id == ada
    assert (await user_named(database, "ada")).github_id == bob
    assert [file.filename for file in await stored(database, "countess")] == ["ada.txt"]


async def test_an_account_is_tracked_once_under_whatever_login(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    ada = world.add_user("ada")
    world.add_gist("ada", {"a.txt": "a"})
    await track(database, clock, "ada")
    await run(watcher)
    world.rename(ada, "countess")
    await track(database, clock, "countess")
    check = await run(watcher)
    assert "same account as ada" in check.failures[0]

    async with database.begin() as transaction:
        await users.remove(transaction, (await users.find(transaction, "ada")).key, clock())
    async with database.read() as transaction:
        assert (await checks.get(transaction, check.id)).failures == ()
    assert (await run(watcher)).failures == ()
    countess = await user_named(database, "countess")
    assert (countess.github_id, countess.failure) == (ada, None)


async def test_the_user_who_has_the_account_is_known_by_the_row_and_not_by_the_login(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    ada = world.add_user("ada")
    first = await track(database, clock, "ada")
    await run(watcher)
    world.rename(ada, "countess")
    await track(database, clock, "countess")
    assert "same account as ada" in (await run(watcher)).failures[0]
    kept_out = await user_named(database, "countess")
    assert kept_out.failure_kind is FailureKind.SAME_ACCOUNT
    other = await track(database, clock, "grace")
    now = Account(login="ada-lovelace", github_id=GitHubId(ada))
    async with database.begin() as transaction:
        # A look at the first one alone tells how it is called now.
        known = await users.find(transaction, "ada")
        await schedule.record_accounts(transaction, [(known, now)], clock())
        await users.remove(transaction, other.key, clock())
        assert (await users.find(transaction, "countess")).next_check_at > clock()
        await users.remove(transaction, first.key, clock())
        freed = await users.find(transaction, "countess")
    assert (freed.next_check_at, freed.failure) == (clock(), None)


async def test_a_removed_user_who_comes_back_is_published_nothing_twice(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    world.add_gist("ada", {"a.txt": "a"})
    first = await track(database, clock, "ada")
    await run(watcher)
    async with database.begin() as transaction:
        await users.remove(transaction, first.key, clock())
    world.add_gist("ada", {"b.txt": "b"})
    again = await track(database, clock, "ada")
    assert again.key != first.key
    await run(watcher)
    assert (await user_named(database, "ada")).key == first.key
    assert [file.filename for file in await stored(database, "ada")] == ["a.txt", "b.txt"]


async def test_secret_gists_stay_secret(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    world.tokens["a-token"] = "ada"
    secret = world.add_gist("ada", {"secret.txt": "secret"}, public=False)
    world.add_gist("ada", {"public.txt": "public"})
    await track(database, clock, "ada")
    await run(watcher)
    assert [file.filename for file in await stored(database, "ada")] == ["public.txt"]
    assert not any(secret in request.path for request in world.requests)


async def test_a_gist_that_cannot_be_read_holds_no_other_up_and_is_read_later(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    world.add_user("ada")
    blocked = world.add_gist("ada", {"blocked.txt": "b"})
    broken = world.add_gist("ada", {"broken.txt": "b"})
    world.add_gist("ada", {"good.txt": "g"})
    world.block_gist(blocked)
    world.faults.script(Fault.html(200), path=f"^/gists/{broken}", times=None)
    await track(database, clock, "ada")
    check = await run(watcher)
    assert check.failed == 0
    assert f"{blocked} could not be read" in check.failures[0]
    assert "and 1 more" in check.failures[0]
    assert [file.filename for file in await stored(database, "ada")] == ["good.txt"]
    world.faults.clear()
    clock.advance(timedelta(minutes=1))
    assert (await run(watcher)).failed == 0
    world.block_gist(blocked, blocked=False)
    clock.advance(INTERVAL)
    await run(watcher)
    names = [file.filename for file in await stored(database, "ada")]
    assert names == ["good.txt", "broken.txt", "blocked.txt"]


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


async def test_what_is_asked_for_during_a_look_is_looked_at_again(
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
        patch.setattr("gitpip.watch.user_check.TURN", timedelta(seconds=0.3))
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
