"""The user of this machine, who acts by a command."""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gitpip.actions.acting import Acting, Work
from gitpip.config import Settings
from gitpip.runtime.opening import opened
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database
from gitpip.store.schema_access import Via


def acting_on(database: Database) -> Acting:
    """Return the user of this machine, who acts by a command."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # in a container, a user can be a number without a name
        name = "unknown"
    return Acting(database, Actor(name, Via.COMMAND), _left_to_the_sweep)


async def _left_to_the_sweep(_: Work) -> None:
    """Wake no process: the sweep of a running service finds the waiting rows within 2 s.

    On SQLite the queue is in the memory of that service; on PostgreSQL a connection of its own
    would take longer than most commands do.
    """


@asynccontextmanager
async def acting(settings: Settings, *, makes: bool = False) -> AsyncIterator[Acting]:
    """Yield the user of this machine, with the database of these settings opened; see `opened`."""
    async with opened(settings, makes=makes) as database:
        yield acting_on(database)
