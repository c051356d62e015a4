"""A database that was set back: a follower is told, and passes over nothing that happens then."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from gitpip.cli.events import View, follow_events
from gitpip.errors import EventUnknown
from gitpip.store import events
from gitpip.store.database import Database, open_database
from gitpip.store.events import EventId, EventsWanted, NewEvent
from gitpip.store.schema_events import EventKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = EventsWanted()


async def _happen(database: Database, *details: str) -> None:
    async with database.begin() as transaction:
        happened = [NewEvent(EventKind.GIST_FOUND, detail=detail) for detail in details]
        await events.record(transaction, NOW, *happened)


async def _set_back(database: Database, newest: int) -> None:
    """Make the events as they are after a restore of a backup with fewer of them."""
    lower = (
        "UPDATE sqlite_sequence SET seq = :newest WHERE name = 'events'"
        if database.is_sqlite
        else "SELECT setval('events_id_seq', :newest)"
    )
    # PostgreSQL changes a sequence at once, and not with the commit.
    for statement in ("DELETE FROM events WHERE id > :newest", lower):
        async with database.begin() as transaction:
            await transaction.execute(text(statement), {"newest": newest})


async def test_no_event_can_have_been_read_that_never_was(database_url: str) -> None:
    database = open_database(database_url)
    assert not await events.after(database, EventId(0), EVERYTHING, limit=9)
    with pytest.raises(EventUnknown):
        await events.after(database, EventId(1), EVERYTHING, limit=9)
    await _happen(database, "1", "2", "3")
    assert not await events.after(database, EventId(3), EVERYTHING, limit=9)
    with pytest.raises(EventUnknown, match="the database may have been restored"):
        await events.after(database, EventId(4), EVERYTHING, limit=9)
    async with database.begin() as transaction:
        await events.prune(transaction, NOW + events.EVENTS_KEPT_FOR + timedelta(seconds=1))
    # That all of them were forgotten is no restore.
    assert not await events.after(database, EventId(3), EVERYTHING, limit=9)
    await database.close()


async def test_the_command_that_follows_begins_anew_and_says_so(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gitpip.cli.events.EVENTS_READ_EVERY", timedelta(seconds=0.01))
    database = open_database(database_url)
    await _happen(database, "one", "two", "three")
    printed = said = ""

    async def shown(what: str) -> None:
        nonlocal printed, said
        async with asyncio.timeout(60):
            while what not in printed:
                await asyncio.sleep(0.01)
                got = capsys.readouterr()
                printed, said = printed + got.out, said + got.err

    view = View(EventId(1), limit=50, follow=True, as_json=False)
    following = asyncio.create_task(follow_events(database, EVERYTHING, view))
    await shown("three")
    assert "one" not in printed
    printed = ""
    await _set_back(database, 1)
    await shown("one")
    await _happen(database, "four")
    await shown("four")
    following.cancel()
    await asyncio.wait([following])
    await database.close()
    assert "The database was set back to before event 3" in said
    assert "two" not in printed
