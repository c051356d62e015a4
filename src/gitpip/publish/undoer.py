"""The undoer: deletes exactly the activities that gitpip made of what a person undid.

Right before each deletion the activity is read. An activity that a person has changed is kept.
Deleting twice does no harm, so a lost answer needs no search: the next GET shows the result.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from gitpip.observability.logging import get_logger
from gitpip.publish.activity import has_marker
from gitpip.publish.circuit_breaker import RequestKind
from gitpip.publish.deal_undoer import DealUndoer
from gitpip.publish.deals import stale_lease
from gitpip.publish.delivery import Waits
from gitpip.publish.destination import DealFinder, ListedActivity, LookFailed
from gitpip.publish.guards import Guards
from gitpip.publish.pauses import Channel
from gitpip.publish.undo_attempts import UndoAttempts
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.publications import deal_drifts, undo_outcomes, undone, undone_deals
from gitpip.store.publications.undone import Due
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_undo import UndoneState

CLAIMED_AT_ONCE = 10
MERGED = "a person may have changed it before its deal was merged into"
REASON_GONE = "its activity was deleted in Pipedrive before"

log = get_logger()


class Undoer(UndoAttempts[Due]):
    """Deletes activities that are to be undone, one after another, and then empty deals."""

    def __init__(
        self, channel: Channel, index: DealFinder, guards: Guards, *, waits: Waits
    ) -> None:
        super().__init__(channel, guards, waits=waits)
        self._deals = DealUndoer(channel, index, guards, waits=waits)
        self.busy = False
        """Whether an undo is running."""

    async def run(self, may_go_on: Callable[[], bool]) -> None:
        """Undo a few that are due, while `may_go_on` allows it. Raises DatabaseUnavailable."""
        if self.busy:
            return
        self.busy = True
        token = secrets.token_hex(16)
        try:
            async with self._database.begin() as transaction:
                await undone.withdraw_unsent(transaction, self._now())
                due = await undone.claim(
                    transaction,
                    token=token,
                    present=await self._present(transaction),
                    lasts=self._waits.lease,
                    limit=CLAIMED_AT_ONCE,
                )
            for each in due:
                if not may_go_on() or self._pauses.holds() or not await self._guarded(each):
                    break
            else:
                for _ in range(CLAIMED_AT_ONCE - len(due)):
                    if not may_go_on() or not await self._deals.one(token) or self._pauses.holds():
                        break
        finally:
            self.busy = False
        async with self._database.begin() as transaction:
            await undone.release(transaction, token)
            await undone_deals.release(transaction, token)
            ended = await undone.end(transaction, self._now())
        for undo_id in ended:
            log.info("undo.ended", undo_id=undo_id)

    async def _undo(self, due: Due) -> bool:
        if due.is_of_another_tool:
            await self._leave(due, UndoneState.KEPT, undone.MADE_BY_OTHERS)
            return True
        about = f"undo of publication {due.publication_id}"
        request = self._pauses.request(RequestKind.READ, about)
        try:
            activity = await self._destination.activity(due.activity_id)
        except LookFailed as failure:
            return await self._failed(due, await self._pauses.failed(failure.outcome, request))
        await self._pauses.after(None, request)
        if activity is None:
            return await self._deleted(due, REASON_GONE)
        if (reason := await self._why_kept(due, activity)) is not None:
            await self._leave(due, UndoneState.KEPT, reason)
            return True
        if not await self._may_still_be_deleted(due):
            return False
        request = self._pauses.request(RequestKind.WRITE, about)
        outcome = await self._destination.delete_activity(due.activity_id)
        return await self._ended(due, outcome, request)

    async def _may_still_be_deleted(self, due: Due) -> bool:
        leased = self._clocks.read()
        async with self._database.begin() as transaction:
            present = await self._present(transaction)
            # A database that was set back may have this claim, but not what came after it.
            if not await self._last_sent.is_there(transaction):
                return False
            if not await undone.may_still_be_deleted(transaction, due, present, self._waits.lease):
                return False
        return stale_lease(leased, self._clocks, self._waits) is None

    async def _why_kept(self, due: Due, activity: ListedActivity) -> str | None:
        """Return why an activity is kept, or None if it is certainly ours and unchanged."""
        async with self._database.read() as transaction:
            account = await accounts.bound(transaction, Vendor.DESTINATION)
            followed_at = await deal_drifts.followed_at(transaction, due.user_key, activity.deal_id)
        if account is None or activity.creator_id not in account.creators:
            return "another user made it"
        if not (
            has_marker(due.marker, subject=activity.text, note=None)
            and has_marker(due.marker, subject=None, note=activity.note)
        ):
            return "a person changed its subject or its note"
        if activity.deal_id != due.deal_id:
            to = "no deal" if activity.deal_id is None else f"deal {activity.deal_id}"
            return f"it is under {to} now: a person moved it, or merged its deal"
        if activity.done_since:
            return "a person marked it as done"
        if activity.is_as_written(due.note_written_at):
            return None
        # A merge may change the time of each activity.
        merged = f"{MERGED} deal {activity.deal_id}"
        return "a person changed it" if followed_at is None else merged

    async def _record_deleted(self, due: Due, reason: str | None) -> None:
        async with self._database.begin() as transaction:
            done = await undo_outcomes.deleted(transaction, due, reason, self._now())
        if done:
            log.info(
                "publication.withdrawn",
                publication_id=due.publication_id,
                login=due.login,
                filename=due.filename,
                activity_id=due.activity_id,
                undo_id=due.undo_id,
            )

    async def _leave(self, due: Due, state: UndoneState, reason: str) -> None:
        async with self._database.begin() as transaction:
            done = await undo_outcomes.leave(transaction, due, state, reason, self._now())
        if done:
            log.warning(
                "publication.kept",
                publication_id=due.publication_id,
                login=due.login,
                filename=due.filename,
                activity_id=due.activity_id,
                undo_id=due.undo_id,
                reason=reason,
            )

    async def _postpone(
        self, transaction: Transaction, due: Due, until: datetime, *, attempts: int, reason: str
    ) -> None:
        await undone.postpone(transaction, due, until, attempts=attempts, reason=reason)

    async def _stop(self, transaction: Transaction, due: Due, reason: str) -> bool:
        return await undone.stop(transaction, due, reason, self._now())

    def _named(self, due: Due) -> Mapping[str, int]:
        return {"publication_id": due.publication_id}

    def _vendor_id(self, due: Due) -> int:
        return due.activity_id
