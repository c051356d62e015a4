"""Deletion of the deals of an undo: those that gitpip made, that are empty and unchanged.

Right before each deletion the deal and the list of its activities are read. A deal about which
something is unknown is kept. Deleting twice does no harm, so a lost answer needs no search: the
next GET shows whether the deal is deleted. Until then nothing is put under the deal.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from gitpip.model import ActivityId
from gitpip.observability.logging import get_logger
from gitpip.publish.circuit_breaker import RequestKind
from gitpip.publish.deals import stale_lease
from gitpip.publish.delivery import Waits
from gitpip.publish.destination import UNREAD_ENTRIES, DealContents, DealFinder, LookFailed
from gitpip.publish.guards import Guards
from gitpip.publish.pauses import Channel
from gitpip.publish.undo_attempts import UndoAttempts
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.publications import undone_deals
from gitpip.store.publications.undone_deals import DueDeal
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_undo import UndoneState
from gitpip.targets import NO_LINKS

Found = tuple[UndoneState, str]
"""The state of a deal that is not deleted now (deleted, kept or waiting) and the reason."""
OUTCOME_GONE = UndoneState.DELETED, "it was deleted in Pipedrive before"
OUTCOME_LAGGING = UndoneState.WAITING, "the list of its activities still shows what was deleted"

log = get_logger()


class DealUndoer(UndoAttempts[DueDeal]):
    """Deletes empty deals, one after another."""

    def __init__(
        self, channel: Channel, index: DealFinder, guards: Guards, *, waits: Waits
    ) -> None:
        super().__init__(channel, guards, waits=waits)
        self._index = index

    async def one(self, token: str) -> bool:
        """Process the next deal, claimed with this token; return whether another may follow."""
        async with self._database.begin() as transaction:
            due = await undone_deals.claim(
                transaction,
                token=token,
                present=await self._present(transaction),
                lasts=self._waits.lease,
            )
        return due is not None and await self._guarded(due)

    async def _undo(self, due: DueDeal) -> bool:
        about = f"undo of deal {due.deal_id}"
        request = self._pauses.request(RequestKind.READ, about)
        try:
            found = await self._not_now(due)
        except LookFailed as failure:
            return await self._failed(due, await self._pauses.failed(failure.outcome, request))
        await self._pauses.after(None, request)
        if found is not None:
            return await self._settled(due, *found)
        leased = self._clocks.read()
        if not await self._begin(due) or stale_lease(leased, self._clocks, self._waits) is not None:
            return False
        request = self._pauses.request(RequestKind.WRITE, about)
        outcome = await self._destination.delete_deal(due.deal_id)
        return await self._ended(due, outcome, request)

    async def _settled(self, due: DueDeal, state: UndoneState, reason: str) -> bool:
        """Record what Pipedrive says about a deal that is not deleted now."""
        match state:
            case UndoneState.DELETED:
                return await self._deleted(due, reason)
            case UndoneState.WAITING:
                return await self._again(due, reason)
            case _:
                await self._leave(due, state, reason)
                return True

    async def _not_now(self, due: DueDeal) -> Found | None:
        """Return why a deal is not deleted now, or None if it can be. Raises LookFailed."""
        contents = await self._destination.deal_contents(due.deal_id)
        if contents is None:
            return OUTCOME_GONE
        async with self._database.read() as transaction:
            account = await accounts.bound(transaction, Vendor.DESTINATION)
        creators = account.creators if account else frozenset[int]()
        if (changed := why_kept(due, contents, creators)) is not None:
            return UndoneState.KEPT, changed
        return await self._activities_of(due)

    async def _activities_of(self, due: DueDeal) -> Found | None:
        """Return why the deal stays if it has activities, or None. Raises LookFailed.

        One page of the list is enough.
        """
        async for page in self._destination.activities(due.deal_id, since=None):
            if page.unread:
                raise LookFailed(UNREAD_ENTRIES)
            ids = [ActivityId(each.id) for each in page.items]
            if not ids:
                return None
            async with self._database.read() as transaction:
                ours = await undone_deals.deleted_by_us(transaction, ids)
            kept = UndoneState.KEPT, "it has activities"
            return OUTCOME_LAGGING if ours.issuperset(ids) else kept
        return None

    async def _begin(self, due: DueDeal) -> bool:
        """Record that the deletion of a deal begins; return False if it must not."""
        now = self._now()
        async with self._database.begin() as transaction:
            # A database that was set back may have this claim, but not what came after it.
            if not await self._last_sent.is_there(transaction):
                return False
            reason = await undone_deals.why_kept(transaction, due)
            if reason is None and await undone_deals.is_unsettled(transaction, due):
                until = now + undone_deals.SETTLED_SOON
                await undone_deals.postpone(
                    transaction, due, until, attempts=due.attempts, reason=None
                )
                return False
            if reason is None:
                present = await self._present(transaction)
                return await undone_deals.begin_deleting(
                    transaction, due, present, self._waits.lease
                )
        await self._leave(due, UndoneState.KEPT, reason)
        return False

    async def _record_deleted(self, due: DueDeal, reason: str | None) -> None:
        async with self._database.begin() as transaction:
            done = await undone_deals.deleted(transaction, due, reason, self._now())
        self._index.drop(due.deal_id)
        if done:
            log.info("deal.deleted", login=due.login, deal_id=due.deal_id, undo_id=due.undo_id)

    async def _leave(self, due: DueDeal, state: UndoneState, reason: str) -> None:
        async with self._database.begin() as transaction:
            done = await undone_deals.leave(transaction, due, state, reason, self._now())
        if done:
            log.warning(
                "deal.kept",
                login=due.login,
                deal_id=due.deal_id,
                undo_id=due.undo_id,
                reason=reason,
            )

    async def _postpone(
        self, transaction: Transaction, due: DueDeal, until: datetime, *, attempts: int, reason: str
    ) -> None:
        await undone_deals.postpone(transaction, due, until, attempts=attempts, reason=reason)

    async def _stop(self, transaction: Transaction, due: DueDeal, reason: str) -> bool:
        return await undone_deals.stop(transaction, due, reason, self._now())

    def _named(self, due: DueDeal) -> Mapping[str, int]:
        return {"deal_id": due.deal_id}

    def _vendor_id(self, due: DueDeal) -> int:
        return due.deal_id


def why_kept(due: DueDeal, contents: DealContents, creators: Collection[int]) -> str | None:
    """Return why a deal is kept, by its own fields, or None if it is unchanged and gitpip's own."""
    deal = contents.deal
    reasons = {
        "another user made it": deal.creator_id not in creators or contents.made_by_hand,
        f"it was {deal.drift}": deal.drift is not None,
        "it is not open": not deal.is_open,
        "a person changed its title": deal.text != due.title,
        "a person moved it to another stage": contents.stage_changed,
        "a person changed its value": contents.value not in {0, due.value},
        "it has a person or an organization": deal.links != NO_LINKS,
    }
    for what, number in contents.holds.items():
        reasons[f"Pipedrive does not say whether it has {what}"] = number is None
        reasons[f"it has {what}"] = bool(number)
    return next((reason for reason, holds in reasons.items() if holds), None)
