"""Events: a reader who follows them by their ids gets each once, in any order of commits."""

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from gitpip.backfill import Backfill
from gitpip.model import Account, GitHubId
from gitpip.store import events
from gitpip.store.database import Database
from gitpip.store.events import EventId, EventsWanted, NewEvent
from gitpip.store.schema_events import EventKind
from gitpip.store.users import account_match, users
from tests.support.rows import track

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = EventsWanted()


def _numbered(number: int) -> NewEvent:
    return NewEvent(EventKind.GIST_FOUND, detail=str(number))


@pytest.mark.parametrize("seed", range(2))
async def test_each_follower_gets_each_event_once(databases: list[Database], seed: int) -> None:
    chance = random.Random(seed)
    number, written = 60, 0
    got: list[str | None] = []

    async def write(database: Database, numbers: list[int]) -> None:
        nonlocal written
        for each in numbers:
            async with database.begin() as transaction:
                await events.record(transaction, NOW, _numbered(each))
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
            written += 1

    async def follow() -> None:
        last = EventId(0)
        while len(got) < number:
            for event in await events.after(databases[2], last, EVERYTHING, limit=7):
                last = event.id
                got.append(event.detail)

    async with asyncio.timeout(60):
        await asyncio.gather(
            follow(),
            *(write(databases[each % 2], list(range(each, number, 4))) for each in range(4)),
        )
    assert sorted(got, key=lambda each: int(each or -1)) == [str(each) for each in range(number)]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_an_event_that_commits_late_is_not_skipped(databases: list[Database]) -> None:
    slow, quick, reader = databases
    async with AsyncExitStack() as stack:
        transaction = await stack.enter_async_context(slow.begin())
        await events.record(transaction, NOW, _numbered(1))
        async with quick.begin() as another:
            await events.record(another, NOW, _numbered(2))
        # The second is committed, and the first, which has the smaller id, is not.
        assert not await events.after(reader, EventId(0), EVERYTHING, limit=10)
        assert not await events.latest(reader, EVERYTHING, limit=10)
    found = await events.after(reader, EventId(0), EVERYTHING, limit=10)
    assert [event.detail for event in found] == ["1", "2"]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_transaction_that_is_rolled_back_holds_nothing_up(
    databases: list[Database],
) -> None:
    slow, quick, reader = databases

    async def fail() -> None:
        async with slow.begin() as transaction:
            await events.record(transaction, NOW, _numbered(1))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with quick.begin() as transaction:
        await events.record(transaction, NOW, _numbered(2))
    found = await events.after(reader, EventId(0), EVERYTHING, limit=10)
    assert [event.detail for event in found] == ["2"]


async def test_they_are_read_in_parts_from_both_ends(databases: list[Database]) -> None:
    database = databases[0]
    async with database.begin() as transaction:
        await events.record(transaction, NOW, *map(_numbered, range(10)))
    last = await events.latest(database, EVERYTHING, limit=3)
    assert [event.detail for event in last] == ["7", "8", "9"]
    before = await events.latest(database, EVERYTHING, limit=3, before=last[0].id)
    assert [event.detail for event in before] == ["4", "5", "6"]
    assert await events.after(database, before[-1].id, EVERYTHING, limit=10) == last


async def test_those_of_several_kinds_are_read_in_one_order(databases: list[Database]) -> None:
    database = databases[0]
    key = await track(database, "ada", NOW)
    cycle = [EventKind.GIST_FOUND, EventKind.FILE_REMOVED, EventKind.GIST_EDITED]
    async with database.begin() as transaction:
        happened = [
            NewEvent(cycle[number % 3], key if number % 2 else None, detail=str(number))
            for number in range(20)
        ]
        await events.record(transaction, NOW, *happened)
    wanted = EventsWanted([*cycle[:2], cycle[0]])
    last = await events.latest(database, wanted, limit=5)
    assert [event.detail for event in last] == ["13", "15", "16", "18", "19"]
    found = await events.after(database, last[0].id, wanted, limit=3)
    assert [event.detail for event in found] == ["15", "16", "18"]
    of_ada = await events.after(database, EventId(0), EventsWanted(cycle[:2], key), limit=3)
    assert [event.detail for event in of_ada] == ["1", "3", "7"]


async def test_one_of_a_kind_that_only_a_newer_gitpip_knows_is_read_with_its_text(
    databases: list[Database],
) -> None:
    database = databases[0]
    async with database.begin() as transaction:
        await events.record(transaction, NOW, *map(_numbered, range(3)))
        await transaction.execute(
            text("UPDATE events SET kind = 'gist.starred' WHERE detail = '1'")
        )
    last = await events.latest(database, EVERYTHING, limit=9)
    assert [event.kind for event in last] == ["gist.found", "gist.starred", "gist.found"]
    assert await events.after(database, last[0].id, EVERYTHING, limit=9) == last[1:]
    found = await events.latest(database, EventsWanted([EventKind.GIST_FOUND]), limit=9)
    assert [event.detail for event in found] == ["0", "2"]


async def test_an_id_is_never_given_again(databases: list[Database]) -> None:
    database = databases[0]
    async with database.begin() as transaction:
        await events.record(transaction, NOW, _numbered(1))
    (first,) = await events.latest(database, EVERYTHING, limit=1)
    async with database.begin() as transaction:
        await events.prune(transaction, NOW + events.EVENTS_KEPT_FOR + timedelta(seconds=1))
        await events.record(transaction, NOW, _numbered(2))
    (second,) = await events.after(database, first.id, EVERYTHING, limit=10)
    assert second.detail == "2"


async def test_what_happened_to_a_removed_user_is_not_told_later(
    databases: list[Database],
) -> None:
    database = databases[0]
    key = await track(database, "ada", NOW)
    first = await events.latest(database, EVERYTHING, limit=9)
    assert [event.login for event in first] == ["ada"]
    async with database.begin() as transaction:
        await events.record(transaction, NOW, NewEvent(EventKind.USER_PAUSED, key))
        await users.remove(transaction, key, NOW)
    assert not await events.latest(database, EVERYTHING, limit=9)
    await track(database, "bob", NOW)
    last = (await events.after(database, first[-1].id, EVERYTHING, limit=9))[-1]
    assert last.login == "bob"
    await track(database, "ada", NOW)
    later = await events.after(database, last.id, EVERYTHING, limit=9)
    assert [(event.kind, event.login) for event in later] == [(EventKind.USER_ADDED, "ada")]
    assert await events.latest(database, EventsWanted(user_key=key), limit=9) == later


async def test_those_of_a_user_who_is_recognised_as_a_removed_one_begin_anew(
    databases: list[Database],
) -> None:
    database = databases[0]
    key = await track(database, "ada", NOW)
    before = (await events.latest(database, EVERYTHING, limit=1))[0].id
    async with database.begin() as transaction:
        await users.remove(transaction, key, NOW)
        again = await users.add(
            transaction,
            "countess",
            external_id="7",
            account=None,
            backfill=Backfill.parse("all"),
            now=NOW,
        )
        ada = Account("countess", GitHubId(int.from_bytes(b"ada")))
        assert (await account_match.resolve(transaction, again.user.key, ada)).key == key
    # On SQLite, bob has the key of the row that was given up.
    bob = await track(database, "bob", NOW)
    added = await events.after(database, EventId(0), EventsWanted([EventKind.USER_ADDED]), limit=9)
    assert [(event.login, event.id > before) for event in added] == [
        ("countess", True),
        ("bob", True),
    ]
    of_bob = await events.latest(database, EventsWanted(user_key=bob), limit=9)
    assert [event.login for event in of_bob] == ["bob"]


async def test_a_reason_that_names_a_removed_user_is_not_shown(databases: list[Database]) -> None:
    database = databases[0]
    key, another = await track(database, "ada", NOW), await track(database, "bob", NOW)
    reason = "GitHub's account is tracked already, as bob"
    async with database.begin() as transaction:
        happened = NewEvent(EventKind.USER_UNAVAILABLE, key, detail=reason)
        await events.record(transaction, NOW, happened)
    wanted = EventsWanted([EventKind.USER_UNAVAILABLE], key)
    assert [event.detail for event in await events.latest(database, wanted, limit=9)] == [reason]
    async with database.begin() as transaction:
        await users.remove(transaction, another, NOW)
    assert [event.detail for event in await events.latest(database, wanted, limit=9)] == [None]
