"""Which gists are forks: the answer about one gist tells, and a list does not."""

from gitpip.store.database import Database
from gitpip.watch.check import Watcher
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.watch.conftest import INTERVAL
from tests.watch.test_check import run, stored, track


async def test_a_fork_is_known_as_one(
    world: StandIn, watcher: Watcher, database: Database, clock: Clock
) -> None:
    for login in ("ada", "bob"):
        world.add_user(login)
        await track(database, clock, login)
    own = world.add_gist("bob", {"own.py": "x"})
    world.add_gist("ada", {"fork.py": "x"}, fork_of=own)
    await run(watcher)
    assert [file.is_fork for login in ("ada", "bob") for file in await stored(database, login)] == [
        True,
        False,
    ]
    # What is known of it stays when only a list is read.
    clock.advance(INTERVAL)
    await run(watcher)
    assert [file.is_fork for file in await stored(database, "ada")] == [True]
