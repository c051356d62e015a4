"""Comparing with Pipedrive, and acknowledging problems that a person knows of."""

from collections.abc import Collection
from typing import Literal, get_args

from gitpip.actions.acting import Acting
from gitpip.counts import count
from gitpip.publish.comparison import Compared, Comparison
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import VendorAccount
from gitpip.store.publications import duplicates, undo_troubles
from gitpip.store.schema_accounts import Vendor
from gitpip.store.users import imports

Acknowledgeable = Literal[
    "activities-missing", "activities-doubled", "import-interrupted", "undo-failed"
]
"""The kinds of problems that can be acknowledged."""
ACKNOWLEDGEABLE: tuple[Acknowledgeable, ...] = get_args(Acknowledgeable)
BY_ADOPT: tuple[Acknowledgeable, ...] = tuple(
    kind for kind in ACKNOWLEDGEABLE if kind != "undo-failed"
)
"""The kinds that `gitpip adopt --acknowledge` ends."""


def acknowledged(kind: Acknowledgeable, number: int) -> str:
    """Return what was acknowledged, in words."""
    match kind:
        case "activities-missing":
            return f"{count(number, 'activity', 'activities')} missing in Pipedrive"
        case "activities-doubled":
            return f"{count(number, 'file')} with two activities in Pipedrive"
        case "import-interrupted":
            return count(number, "interrupted import")
        case "undo-failed":
            return f"{count(number, 'failure')} of undos"


async def request_comparison(acting: Acting) -> None:
    """Request a comparison of everything, by the process that publishes, before it sends more."""
    async with acting.begin() as act:
        await ledger.request(act.transaction, act.now)
        await act.record("adoption.requested", "Pipedrive")
        act.wake("publish")


async def adopt(acting: Acting, comparison: Comparison, account: VendorAccount) -> Compared:
    """Compare everything now, and adopt what is found: the act of a command, which waits for it.

    A page and the API use `request_comparison` instead and don't wait: the process that publishes
    compares before it sends anything more. Each page of activities is committed as it is read, and
    the audit entry follows at the end, as only then the number is known. Raises LookFailed.
    """
    compared = await comparison.whole(account)
    async with acting.begin() as act:
        await act.record("activities.adopted", str(len(compared.told.adopted)))
    return compared


async def acknowledge(
    acting: Acting, kinds: Collection[Acknowledgeable]
) -> dict[Acknowledgeable, int]:
    """End these problems, if they exist; return how many things each was about.

    These are activities and imports, and for undos also deals. A problem comes back once something
    else is missing, doubled or interrupted, or could not be deleted. Nothing is sent or deleted,
    and an import can still be continued.
    """
    async with acting.begin() as act:
        await ledger.lock(act.transaction)
        account = await accounts.bound(act.transaction, Vendor.DESTINATION)
        ended: dict[Acknowledgeable, int] = {}
        if "activities-missing" in kinds:
            missing = await ledger.acknowledge_missing(act.transaction, act.now)
            ended["activities-missing"] = missing
        if "activities-doubled" in kinds and account is not None:
            doubled = await duplicates.acknowledge(act.transaction, account.key, act.now)
            ended["activities-doubled"] = doubled
        if "import-interrupted" in kinds:
            interrupted = await imports.acknowledge_interrupted(act.transaction, act.now)
            ended["import-interrupted"] = interrupted
        if "undo-failed" in kinds:
            ended["undo-failed"] = await undo_troubles.acknowledge(act.transaction)
        ended = {kind: number for kind, number in ended.items() if number}
        for kind, number in ended.items():
            await act.record("problem.acknowledged", acknowledged(kind, number))
    return ended
