"""The acts on many publications: retry, skip, approve, hold or send them again."""

from collections.abc import Callable
from dataclasses import dataclass

from gitpip.actions.acting import Acting
from gitpip.counts import count
from gitpip.errors import RepairChanged
from gitpip.store.database import Transaction
from gitpip.store.publications import repairs
from gitpip.store.publications.repairs import Counted, Repair, RepairId
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.schema_publishing import RepairAct
from gitpip.validation import possible_login

_VERBS = {each: each.value.replace("-", " ") for each in RepairAct}


@dataclass(frozen=True)
class RepairAction:
    """The act, and the publications that it applies to."""

    act: RepairAct
    wanted: PublicationFilter
    shown: int | None = None
    """The number of publications that the person was told."""
    reviewed: bool = True
    """False if the person has not seen what those named by their ids hold, as in a list: what is
    held for credentials is not sent then."""

    def check(self) -> None:
        """Raise InvalidInput if the order makes no sense."""
        self.wanted.check()
        if self.wanted.login:
            possible_login(self.wanted.login)


async def counted(transaction: Transaction, order: RepairAction) -> Counted:
    """Return what an order would do. Raises InvalidInput, PublicationNotFound."""
    order.check()
    return await repairs.count(transaction, order.act, order.wanted, reviewed=order.reviewed)


async def begin(acting: Acting, order: RepairAction) -> Repair:
    """Choose the publications of a repair. Call `carry_out` next.

    Raises InvalidInput, PublicationNotFound, and RepairChanged if the number found is not the one
    that was `shown`.
    """
    order.check()
    async with acting.begin() as act:
        begun = await repairs.begin(
            act.transaction,
            order.act,
            order.wanted,
            by=act.actor,
            now=act.now,
            reviewed=order.reviewed,
        )
        if order.shown is not None and order.shown != begun.total:
            raise RepairChanged(
                f"the number of files changed from {order.shown:,} to {begun.total:,}. Review them "
                "again"
            )
        if begun.total:
            chosen = f"{_VERBS[order.act]} {count(begun.total, 'file')}"
            which = order.wanted if order.wanted.ids else order.wanted.in_words
            await act.record("repair.begun", f"{begun.id}: {chosen} ({which})")
    return begun


async def resume(acting: Acting, repair_id: RepairId) -> Repair:
    """Continue a repair that was interrupted. Call `carry_out` next.

    A repair that is over is not changed. Raises RepairNotFound.
    """
    async with acting.begin() as act:
        found = await repairs.get(act.transaction, repair_id)
        if not found.ended_at:
            await act.record("repair.resumed", str(found.id))
    return found


async def carry_out(
    acting: Acting, repair_id: RepairId, *, follow: Callable[[Repair], None] = lambda repair: None
) -> Repair:
    """Do the rest of a repair, piece by piece. One that is over is not changed.

    An interrupted repair continues. `follow` receives the progress. Raises RepairNotFound.
    """
    while True:
        async with acting.begin() as act:
            before = await repairs.get(act.transaction, repair_id)
            if before.ended_at:
                return before
            repair = await repairs.advance(
                act.transaction, repair_id, by=act.actor.name, now=act.now
            )
            if repair.ended_at:
                told = f"{count(repair.done, 'file')} done"
                if repair.changed:
                    told += f", {repair.changed} left out because they changed meanwhile"
                await act.record("repair.ended", f"{repair.id}: {told}")
            if repair.act in repairs.SENDS:
                act.wake("publish")
        follow(repair)
