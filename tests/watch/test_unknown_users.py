"""A user that was added while GitHub could not be asked, and that GitHub does not know."""

from gitpip.backfill import Backfill
from gitpip.model import FailureKind
from gitpip.store.database import Database
from gitpip.store.users import users
from gitpip.watch.check import Watcher
from tests.support.clocks import Clock


async def test_the_reason_gives_no_advice_since_the_status_does(
    database: Database, watcher: Watcher, clock: Clock
) -> None:
    async with database.begin() as transaction:
        await users.add(
            transaction,
            "nobody",
            external_id="1",
            account=None,
            backfill=Backfill.parse("all"),
            now=clock(),
        )
    assert await watcher.run()

    async with database.read() as transaction:
        user = await users.find(transaction, "nobody")
    assert user.failure == "GitHub has no user nobody"
    assert user.failure_kind is FailureKind.NOT_SHOWN
