"""The act of a reader who sees what is new of one user, and is recorded as having seen it.

The audit has no entry of visits: what a person has read is private.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gitpip.actions.acting import Acting
from gitpip.store.database import Transaction
from gitpip.store.users import users
from gitpip.store.visits import visits
from gitpip.store.visits.visits import Visit

Shown = TypeVar("Shown")


async def record(
    acting: Acting,
    login: str,
    viewer: str,
    show: Callable[[Transaction, Visit], Awaitable[Shown]],
) -> Shown:
    """Record that a viewer sees what was found of a user since the last visit; return what `show`
    makes of the visit.

    `show` reads in the same transaction: files that could not be shown do not count as seen. Raises
    UserNotTracked.
    """
    async with acting.begin() as act:
        user = await users.find(act.transaction, login)
        visit = await visits.record(act.transaction, user.key, viewer=viewer, now=act.now)
        return await show(act.transaction, visit)
