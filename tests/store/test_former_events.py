"""Events of a kind that an earlier version kept are gone after the upgrade."""

from datetime import UTC, datetime

from sqlalchemy import Connection, String, insert, literal

from gitpip.store import events
from gitpip.store.database import open_database
from gitpip.store.events import EventsWanted
from gitpip.store.schema_events import events as table
from tests.support.migrations import upgrade_to

BEFORE = "0035"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _before(connection: Connection) -> None:
    upgrade_to(connection, BEFORE)
    for kind in ("gist.found", "user.removed"):
        connection.execute(insert(table).values(happened_at=NOW, kind=literal(kind, String)))


async def test_the_removal_of_a_user_is_no_event(unmigrated_url: str) -> None:
    database = open_database(unmigrated_url)
    async with database.begin() as transaction:
        await transaction.run_sync(_before)
    await database.migrate()
    found = await events.latest(database, EventsWanted(), limit=9)
    await database.close()
    assert [str(event.kind) for event in found] == ["gist.found"]
