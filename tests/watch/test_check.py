"""Checks over a real socket and both databases: what is stored, what it costs, what goes wrong."""

from datetime import timedelta

import pytest

from gitpip.backfill import Backfill
from gitpip.model import Account, Check, FailureKind, GistFile, GitHubId, PublicationState, User
from gitpip.store.database import Database
from gitpip.store.gists import gists
from gitpip.store.status import checks
from gitpip.store.users import renames, users
from gitpip.watch.check import Watcher
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.conftest import INTERVAL

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


@pytest.mark.long
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


@pytest.mark.long
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


async def test_a_gist_made_public_later_is_found_within_a_day(
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
    "since:2026-03-03": {"recent", "later"},
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
    world.add_gist("ada", {"later": "made before the first check"})

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
        # A check of the first one alone tells how it is called now.
        known = await users.find(transaction, "ada")
        await renames.follow(transaction, [(known, now)], clock())
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
    world.tokens[TOKEN] = "ada"
    secret = world.add_gist("ada", {"secret.txt": "secret"}, public=False)
    world.add_gist("ada", {"public.txt": "public"})
    await track(database, clock, "ada")
    await run(watcher)
    assert [file.filename for file in await stored(database, "ada")] == ["public.txt"]
    assert not any(secret in request.path for request in world.requests)
