"""The act of requesting a check of all users now."""

from gitpip.actions.acting import Acting
from gitpip.model import Check
from gitpip.store.status import checks


async def request(acting: Acting) -> Check:
    """Request a check of every tracked user now, and of what could not be read of them."""
    async with acting.begin() as act:
        check = await checks.get(act.transaction, await checks.request(act.transaction, act.now))
        await act.record("check.requested", str(check.id))
        act.wake("check")
    return check
