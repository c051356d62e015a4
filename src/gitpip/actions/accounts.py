"""The acts on accounts: letting the rows belong to the account that is set."""

from gitpip.actions.acting import Acting
from gitpip.errors import InvalidInput
from gitpip.store.accounts import account_switch
from gitpip.store.accounts.accounts import AccountChange
from gitpip.store.publications import sent_again, undone
from gitpip.store.schema_accounts import NAMES, Vendor


async def switch(acting: Acting, vendor: Vendor, *, same: bool = False) -> AccountChange:
    """Switch to the configured account. The rows of the previous account are kept apart.

    `same` says that it is the same GitHub under another address. Raises InvalidInput,
    AccountUnchanged.
    """
    if same and vendor is not Vendor.GITHUB:
        raise InvalidInput("same", "only GitHub can have another address")
    async with acting.begin() as act:
        if vendor is Vendor.DESTINATION:
            await undone.withdraw_all_unsent(act.transaction, act.now)
            await sent_again.end_waits(act.transaction, act.now)
        change = await account_switch.switch(act.transaction, vendor, act.now, same=same)
        await act.record("account.switched", f"{NAMES[vendor]}, {change.waiting.name}")
        act.wake("publish" if vendor is Vendor.DESTINATION else "check")
    return change
