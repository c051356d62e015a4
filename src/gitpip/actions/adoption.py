"""Acknowledging what is missing from Pipedrive, or there twice: a person knows of it."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from gitpip.actions.pauses import Did
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import Vendor
from gitpip.store.database import Transaction
from gitpip.store.publications import duplicates

Acknowledgeable = Literal["activities-missing", "activities-doubled"]
"""The kinds of problems that can be acknowledged."""
ACKNOWLEDGEABLE: tuple[Acknowledgeable, ...] = ("activities-missing", "activities-doubled")


async def acknowledge(
    transaction: Transaction, kinds: Collection[Acknowledgeable], *, did: Did, now: datetime
) -> dict[Acknowledgeable, int]:
    """End those of these problems that there are; gives how many activities each was about.

    A problem comes back once something else is missing, or there twice. Nothing is sent or deleted.
    """
    await ledger.lock(transaction)
    account = await accounts.bound(transaction, Vendor.PIPEDRIVE)
    ended: dict[Acknowledgeable, int] = {}
    if "activities-missing" in kinds:
        ended["activities-missing"] = await ledger.acknowledge_missing(transaction, now)
    if "activities-doubled" in kinds and account is not None:
        ended["activities-doubled"] = await duplicates.acknowledge(transaction, account.key, now)
    ended = {kind: number for kind, number in ended.items() if number}
    for kind, number in ended.items():
        await did(transaction, "problem.acknowledged", f"{kind}: {number}")
    return ended
