"""What people do to tracked users on the pages, and how the audit keeps it."""

from enum import StrEnum

from gitpip.clock import utc_now
from gitpip.model import User, UserState
from gitpip.store.database import Transaction
from gitpip.store.users import users
from gitpip.web.auth.identity import Identity


class Act(StrEnum):
    """What can be done to a user by one button."""

    CHECK = "check"
    PAUSE = "pause"
    RESUME = "resume"
    REMOVE = "remove"

    @property
    def makes_due(self) -> bool:
        """Whether the user is to be looked at once this is done."""
        return self in {Act.CHECK, Act.RESUME}


DONE = {
    Act.CHECK: "user.check_requested",
    Act.PAUSE: "user.paused",
    Act.RESUME: "user.resumed",
    Act.REMOVE: "user.removed",
}
"""What the audit says of it."""


async def act_on(transaction: Transaction, user: User, act: Act, identity: Identity) -> None:
    """Do this to a tracked user; nothing where a pause is as wanted already.

    Raises UserNotTracked when the user was removed meanwhile.
    """
    now = utc_now()
    paused = user.state is UserState.PAUSED
    match act:
        case Act.CHECK:
            await users.make_due(transaction, user.key, now)
        case Act.PAUSE | Act.RESUME if paused is (act is Act.PAUSE):
            return
        case Act.PAUSE | Act.RESUME:
            changes = users.Changes(paused=act is Act.PAUSE)
            await users.change(transaction, user.key, changes, now)
        case Act.REMOVE:
            await users.remove(transaction, user.key, now)
    await identity.did(transaction, DONE[act], user.login)


async def change(
    transaction: Transaction, user: User, changes: users.Changes, identity: Identity
) -> None:
    """Give a tracked user other tags, or another interval; raises UserNotTracked."""
    await users.change(transaction, user.key, changes, utc_now())
    await identity.did(transaction, "user.changed", user.login)
