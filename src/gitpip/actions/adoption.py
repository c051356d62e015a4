"""What a person asks and says about what Pipedrive holds: compare it, or know of what is wrong."""

from collections.abc import Collection
from typing import Literal

from gitpip.actions.acting import Acting
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import Vendor
from gitpip.store.publications import duplicates

Acknowledgeable = Literal["activities-missing", "activities-doubled"]
"""The kinds of problems that can be acknowledged."""
ACKNOWLEDGEABLE: tuple[Acknowledgeable, ...] = ("activities-missing", "activities-doubled")


async def request_comparison(acting: Acting) -> None:
    """Have everything compared by the process that publishes, before it sends anything more."""
    async with acting.begin() as act:
        await ledger.request(act.transaction, act.now)
        await act.record("adoption.requested", "pipedrive")
        act.wake("publish")


async def acknowledge(
    acting: Acting, kinds: Collection[Acknowledgeable]
) -> dict[Acknowledgeable, int]:
    """End those of these problems that there are; gives how many activities each was about.

    A problem comes back once something else is missing, or there twice. Nothing is sent or deleted.
    """
    async with acting.begin() as act:
        await ledger.lock(act.transaction)
        account = await accounts.bound(act.transaction, Vendor.PIPEDRIVE)
        ended: dict[Acknowledgeable, int] = {}
        if "activities-missing" in kinds:
            missing = await ledger.acknowledge_missing(act.transaction, act.now)
            ended["activities-missing"] = missing
        if "activities-doubled" in kinds and account is not None:
            doubled = await duplicates.acknowledge(act.transaction, account.key, act.now)
            ended["activities-doubled"] = doubled
        ended = {kind: number for kind, number in ended.items() if number}
        for kind, number in ended.items():
            await act.record("problem.acknowledged", f"{kind}: {number}")
    return ended
