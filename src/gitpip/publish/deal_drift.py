"""The check of deals in use: won, lost, archived, deleted or merged, and where new files go then.

Activities can be put under a deal that is won or lost. Pipedrive does not document whether they can
be put under one that is archived or deleted. So it is asked about a deal before the deal is used,
at most once an hour.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from gitpip.drift import Drift, DriftAnswer, drift_words
from gitpip.model import Deal, DealId, Publication, PublicationState
from gitpip.observability.logging import get_logger
from gitpip.publish import delivery
from gitpip.publish.circuit_breaker import RequestKind
from gitpip.publish.delivery import Denied, NotProcessed, Outcome
from gitpip.publish.destination import DealFinder, Item, LookFailed
from gitpip.publish.pauses import Channel
from gitpip.store import ledger
from gitpip.store.database import Transaction
from gitpip.store.publications import deal_drifts, deals

WAIT = timedelta(minutes=30)
"""The time that files wait, unless a person changes the setting or ends the wait."""
ASKED_ABOUT = 3
"""The number of activities of a deleted deal that are searched for under another deal: a person may
have moved one of them before."""
LASTED = timedelta(days=1)
"""The age above which a deal was not deleted because of something that we did."""

log = get_logger()


class DealDrift:
    """Checks deals that are in use. `now` returns the time (UTC)."""

    def __init__(self, channel: Channel, index: DealFinder, now: Callable[[], datetime]) -> None:
        self._database = channel.database
        self._destination = channel.destination
        self._pauses = channel.pauses
        self._terms = channel.terms
        self._policies = channel.terms.policies
        self._index = index
        self._now = now

    async def looked_at(self, deal: Deal) -> Deal:
        """Return a deal that was made, after checking it at Pipedrive if that is due.

        It is `pending` if the user's files must wait, or if another deal must be found or made.
        """
        async with self._database.read() as transaction:
            if await deal_drifts.is_usable(transaction, deal.user_key, self._now()):
                return deal
        request = self._pauses.request(RequestKind.READ, f"the deal of {deal.user_key}")
        try:
            settled = await self._settled(deal)
        except LookFailed as failure:
            outcome = await self._pauses.failed(failure.outcome, request)
            if not isinstance(outcome, NotProcessed):
                # It is used as before: if it is deleted, Pipedrive refuses the activity.
                async with self._database.begin() as transaction:
                    await deal_drifts.note_asked(transaction, deal.user_key, self._now())
            return deal
        await self._pauses.after(None, request)
        return settled

    async def _settled(self, deal: Deal) -> Deal:
        """Return the deal after applying what Pipedrive says about it. Raises LookFailed."""
        deal_id = deal.deal_id
        if deal_id is None:
            return deal
        seen = await self._destination.deal(deal_id)
        if seen is not None:
            self._terms.note_owner(deal_id, seen.owner_id)
            return await self._after(deal, seen)
        merged = await self._merged_into(deal, deal_id)
        if merged is None:
            return await self._answered(deal, Drift.DELETED)
        answer = self._policies.current.answer_to(Drift.MERGED)
        if answer is not DriftAnswer.FOLLOW:
            return await self._answered(deal, Drift.MERGED)
        return await self._follow(deal, deal_id, merged)

    async def _after(self, deal: Deal, seen: Item) -> Deal:
        if seen.drift is not None:
            return await self._answered(deal, seen.drift)
        async with self._database.begin() as transaction:
            await deal_drifts.note_open(transaction, deal.user_key, self._now())
        return deal

    async def _merged_into(self, deal: Deal, deal_id: DealId) -> Item | None:
        """Return the one deal that now holds all last activities of a deleted deal, or None."""
        async with self._database.read() as transaction:
            ours = await deal_drifts.newest_activities(
                transaction, deal.user_key, deal_id, ASKED_ABOUT
            )
        seen = [await self._destination.activity(activity_id) for activity_id in ours]
        under = {each.deal_id for each in seen if each is not None}
        match [*under]:
            case [int() as one] if one != deal_id:
                return await self._destination.deal(DealId(one))
            case _:
                return None

    async def _follow(self, deal: Deal, former: DealId, merged: Item) -> Deal:
        to, now = DealId(merged.id), self._now()
        async with self._database.begin() as transaction:
            await ledger.lock(transaction)  # publications change together with a deal
            if not await deal_drifts.follow(transaction, deal.user_key, former, to, merged.links):
                return await deals.get(transaction, deal.user_key)
            await deal_drifts.note(transaction, deal, Drift.MERGED, DriftAnswer.FOLLOW, now)
        self._index.drop(former)
        _tell(deal, Drift.MERGED, DriftAnswer.FOLLOW)
        links = merged.links
        followed = replace(deal, deal_id=to, person_id=links.person_id, org_id=links.org_id)
        return followed if merged.drift is None else await self._answered(followed, merged.drift)

    async def _answered(self, deal: Deal, drift: Drift) -> Deal:
        """Apply the answer of the publishing settings to a drift, and return the deal after it."""
        now, answer = self._now(), self._policies.current.answer_to(drift)
        async with self._database.begin() as transaction:
            is_new = await deal_drifts.note(transaction, deal, drift, answer, now)
            if answer is DriftAnswer.NEW:
                await self._forget(transaction, deal, drift, now)
            after = await deals.get(transaction, deal.user_key)
        if is_new:
            _tell(deal, drift, answer)
        if answer is DriftAnswer.NEW:
            self._index.drop(deal.deal_id or 0)
            return after
        if answer is DriftAnswer.WAIT:
            reason = drift_words(deal.deal_id or 0, drift, answer)
            return replace(deal, state=PublicationState.PENDING, due_at=now + WAIT, reason=reason)
        return deal

    async def _forget(
        self, transaction: Transaction, deal: Deal, drift: Drift, now: datetime
    ) -> None:
        """Let another deal be found or made."""
        # A deal that is deleted again and again right after it was made is made ever later.
        lasted = deal.sent_at is None or now - deal.sent_at > LASTED
        attempts = 0 if lasted else deal.attempts
        reason = f"its deal was {drift}"
        change = delivery.retried(attempts, reason, now=now, quick_retries=1)
        await deals.forget(transaction, deal.user_key, change)

    async def why_refused(self, claim: Publication, deal_id: DealId, seen: Item | None) -> Outcome:
        """Return the outcome of an activity refused because its deal is deleted or archived."""
        drift = Drift.DELETED if seen is None else Drift.ARCHIVED
        if seen is not None and self._policies.current.answer_to(drift) is DriftAnswer.KEEP:
            # Whether Pipedrive takes activities of archived deals is not documented.
            reason = f"Deal {deal_id} is archived and Pipedrive rejects new activities"
            return NotProcessed(reason, WAIT, everyone=False)
        self._index.drop(deal_id)
        async with self._database.begin() as transaction:
            await deal_drifts.ask_again(transaction, claim.user_key)
        return Denied(f"its deal was {drift}", quick_retries=1)


def _tell(deal: Deal, drift: Drift, answer: DriftAnswer) -> None:
    log.warning("deal.drifted", login=deal.login, deal_id=deal.deal_id, drift=drift, answer=answer)
