"""Finding or making the deal of a user, delivered like a publication."""

import asyncio
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from gitpip.clock import Clocks, Moment
from gitpip.drift import Drift
from gitpip.errors import OWN_FAULT, DatabaseUnavailable
from gitpip.model import Change, Deal, DealId, Publication, PublicationState, UserKey
from gitpip.observability.logging import get_logger
from gitpip.publish import delivery
from gitpip.publish.asked_twice import asked_twice, is_young
from gitpip.publish.catalog import DealFields
from gitpip.publish.circuit_breaker import Request, RequestKind
from gitpip.publish.claims import kept
from gitpip.publish.deal_drift import DealDrift
from gitpip.publish.delivery import (
    Accepted,
    Attempt,
    NotProcessed,
    Outcome,
    Refused,
    Waits,
)
from gitpip.publish.destination import (
    UNREAD_ENTRIES,
    DealFinder,
    DealsCapped,
    Item,
    LookFailed,
    Place,
)
from gitpip.publish.guards import Guards
from gitpip.publish.pauses import Channel
from gitpip.publish.records import others_pass
from gitpip.publish.sent_fields import TERMS_TRIED_AGAIN_AFTER, Unsettled
from gitpip.store.publications import (
    deal_drifts,
    deals,
    made_deals,
    outbox,
    second_deals,
    undone_deals,
)
from gitpip.store.publications.delivered import DEALS, Start
from gitpip.targets import NO_LINKS

CLOCK_MARGIN = timedelta(minutes=1)
"""Subtracted from Pipedrive's time before a request, as lists are asked for whole seconds and its
servers' clocks may differ a little."""
CAP_PAUSE = timedelta(hours=1)
"""The wait before the account's limit of open deals is tried again."""
SENDER_DIED = "gitpip stopped while it was sending this, and checks whether it arrived"
UNREADABLE_DEALS_WAIT = timedelta(seconds=5)

log = get_logger()


class Deals:
    """Finds or makes the deal of each user, one step at a time."""

    def __init__(
        self,
        channel: Channel,
        index: DealFinder,
        guards: Guards,
        *,
        waits: Waits,
    ) -> None:
        self._database = channel.database
        self._destination = channel.destination
        self._pauses = channel.pauses
        self._terms = channel.terms
        self._index = index
        self._drift = DealDrift(channel, index, guards.clocks.wall)
        self._last_sent = guards.last_sent
        self._list_lag = guards.list_lag
        self._clocks = guards.clocks
        self._mode = guards.mode
        self._now = guards.clocks.wall
        self._waits = waits
        self._reading = asyncio.Lock()
        self._capped_until: datetime | None = None
        self._cap_reason = ""

    async def of(self, claim: Publication) -> Deal | None:
        """Return the deal of a publication's user, after one step towards it if it is missing.

        It is `pending` while an undo is deleting it.

        Returns None if the publication is no longer ours to send, as after a switch of the account.
        Otherwise a deal that this token sees would be recorded for the next account.
        """
        deal = await self._after_a_step(claim)
        if deal is None or deal.state is not PublicationState.PUBLISHED:
            return deal
        async with self._database.read() as transaction:
            until = await undone_deals.being_deleted_until(transaction, claim.user_key)
        if until is not None:
            waits = PublicationState.PENDING
            return replace(deal, state=waits, due_at=until, reason="an undo is deleting it")
        deal = await self._drift.looked_at(deal)
        gone = deal.state is not PublicationState.PUBLISHED and deal.deal_id is None
        return await self._after_a_step(claim) if gone else deal

    async def _after_a_step(self, claim: Publication) -> Deal | None:
        token, user_key = secrets.token_hex(16), claim.user_key
        try:
            deal = await self._claim(claim, token)
            if deal is None or deal.token != token:
                return deal
            lasts = self._waits.claim
            async with kept(self._database, DEALS, token, now=self._now, claim=lasts):
                await self._guarded_step(deal)
        finally:
            async with self._database.begin() as transaction:
                await DEALS.release(transaction, token)
        async with self._database.read() as transaction:
            return await deals.get(transaction, user_key)

    async def why_refused(self, claim: Publication, place: Place, reason: str) -> Outcome | None:
        """Return the outcome of a refused activity if its deal is the reason, or None.

        Raises LookFailed if that can't be found out.
        """
        if place.deal_id is None:
            return None
        deal = await self._destination.deal(place.deal_id)
        if deal is None or deal.drift is Drift.ARCHIVED:
            return await self._drift.why_refused(claim, place.deal_id, deal)
        if place.links == NO_LINKS:
            return None
        # They may be gone, or others by now. Once they are refused, none is sent.
        links = NO_LINKS if deal.links == place.links else deal.links
        async with self._database.begin() as transaction:
            await deals.link(transaction, claim.user_key, place.deal_id, links)
        return NotProcessed(reason, timedelta(0), everyone=False)

    async def _claim(self, claim: Publication, token: str) -> Deal | None:
        now = self._now()
        async with self._database.begin() as transaction:
            if not await outbox.is_claimed(transaction, claim, now):
                return None
            return await deals.claim(
                transaction,
                claim.user_key,
                token=token,
                now=now,
                claim=self._waits.claim,
                given_up=delivery.uncertain(SENDER_DIED, now=now, first_look=timedelta(0)),
            )

    async def _guarded_step(self, deal: Deal) -> None:
        try:
            change = await self._step(deal)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("deal.broken", login=deal.login)
            await self._set_aside(deal, OWN_FAULT)
            return
        if change is not None:
            await self._record(deal, change)

    async def _set_aside(self, deal: Deal, reason: str) -> None:
        now = self._now()
        if deal.state is PublicationState.UNCERTAIN:
            waiting = self._could_not_look(deal, reason)
        else:
            waiting = delivery.retried(deal.attempts + 1, reason, now=now)
        sent = delivery.uncertain(reason, now=now)
        async with self._database.begin() as transaction:
            if not await deals.record(transaction, deal, sent, only_in=PublicationState.SENDING):
                await deals.record(transaction, deal, waiting)

    async def _record(self, deal: Deal, change: Change) -> None:
        async with self._database.begin() as transaction:
            await deals.record(transaction, deal, change)
            if ready := change.state is PublicationState.PUBLISHED:
                await deal_drifts.note_asked(transaction, deal.user_key, self._now())
        log.info(
            "deal.ready" if ready else f"deal.{change.state}",
            login=deal.login,
            deal_id=change.accepted_id,
            **({"reason": change.reason} if change.reason else {}),
        )

    async def _step(self, deal: Deal) -> Change | None:
        """Adopt the open deal with the login, or make one. Return None if the claim was lost."""
        if deal.state is PublicationState.UNCERTAIN:
            return await self._look(deal)
        if deal.looked_at is not None and not delivery.is_fresh(deal.looked_at, self._now()):
            looked_at = self._now()
            change = await self._look(deal, again=True)
            if change is not None:
                return change
            deal = replace(deal, looked_at=looked_at)
        reading = self._pauses.request(RequestKind.READ, subject_of(deal.user_key))
        titles = self._terms.titles(deal.login)
        try:
            # The index remembers how far it has read, so one reads at a time.
            async with self._reading:
                found = await self._index.find(deal, titles)
        except LookFailed as failure:
            return await self._list_failed(deal, failure, reading)
        await self._pauses.after(None, reading)
        if found is not None:
            return replace(self._after(deal, Accepted(found.id)), links=found.links)
        if (until := await self._cap()) is not None:
            own = deal.reason if deal.attempts else None
            return Change(PublicationState.PENDING, until, reason=own or self._cap_reason)
        return await self._make_as_set(deal, titles[0], reading)

    async def _make_as_set(self, deal: Deal, title: str, reading: Request) -> Change | None:
        """Make a deal with the fields that the publishing settings give."""
        try:
            fields = await self._terms.deal()
        except Unsettled as fault:
            return self._unsettled(deal, fault)
        except LookFailed as failure:
            return await self._list_failed(deal, failure, reading)
        return await self._make(deal, title, fields)

    def _unsettled(self, deal: Deal, fault: Unsettled) -> Change:
        """Wait for another setting, or for what the account lacks, without counting an attempt."""
        until = self._now() + TERMS_TRIED_AGAIN_AFTER
        return Change(PublicationState.PENDING, until, reason=str(fault), attempts=deal.attempts)

    async def _cap(self) -> datetime | None:
        """Return until when the cap on open deals holds, or None.

        It holds while the deal that met it waits: a person who ends that wait ends the cap.
        """
        if self._capped_until is not None:
            async with self._database.read() as transaction:
                waits = await deals.any_waits_until(transaction, self._capped_until)
            if not waits or self._now() >= self._capped_until:
                self._capped_until = None
        return self._capped_until

    async def _list_failed(self, deal: Deal, failure: LookFailed, request: Request) -> Change:
        outcome = await self._pauses.failed(failure.outcome, request)
        if isinstance(outcome, NotProcessed):
            return self._after(deal, outcome)
        # Reading again does no harm, so the first two retries come soon.
        return delivery.retried(
            deal.attempts + 1,
            str(failure),
            now=self._now(),
            at_least=UNREADABLE_DEALS_WAIT,
            quick_retries=2,
        )

    async def _look(self, deal: Deal, *, again: bool = False) -> Change | None:
        """Search for a deal that may have been made.

        `again` says that this comes right before the deal is made once more. Then None means that
        it was not found.
        """
        request = self._pauses.request(RequestKind.READ, subject_of(deal.user_key))
        twice = is_young(deal.looked_at if again else deal.sent_at, self._now())
        try:
            found, at = await asked_twice(lambda: self._listed(deal), twice=twice)
        except LookFailed as failure:
            counted = await self._pauses.look_failed(failure, request)
            if again:
                return delivery.could_not_look_again(
                    str(counted),
                    looked_at=deal.looked_at,
                    now=self._now(),
                    ends_with_pause=counted.ends_with_pause,
                )
            return self._could_not_look(deal, str(counted), ends_with_pause=counted.ends_with_pause)
        await self._pauses.after(None, request)
        if found is not None:
            # Only the answer was lost: Pipedrive does process writes.
            await self._pauses.after(Accepted(found.id), replace(request, kind=RequestKind.WRITE))
        if again and found is None:
            return None
        now = self._now()
        if found is not None:
            await self._note_made(deal, DealId(found.id), deal.sent_title)
        change = delivery.after_looking(
            None if found is None else found.id,
            attempt_of(deal),
            now=now,
            seen_at=at,
            waits=self._waits,
        )
        return change if found is None else replace(change, links=found.links)

    async def _listed(self, deal: Deal) -> tuple[Item | None, datetime | None]:
        """Return the deal, if a list shows it, and when the reading began, by Pipedrive's clock.

        The time is None if Pipedrive does not tell it. Raises LookFailed.
        """
        since = deal.sent_after - CLOCK_MARGIN if deal.sent_after else None
        times, unread = [], 0
        async for page in self._destination.deals_since(since):
            # The first page was read first, and whatever is new stands on it.
            times.append(page.at)
            for item in page.items:
                if await self._index.belongs(item, deal):
                    self._index.note(item)
                    return item, times[0]
            unread += page.unread
        if unread:
            raise LookFailed(UNREAD_ENTRIES)
        return None, times[0]

    def _could_not_look(self, deal: Deal, failure: str, *, ends_with_pause: bool = False) -> Change:
        now = self._now()
        return delivery.could_not_look(
            failure,
            attempt_of(deal),
            sent_at=deal.sent_at or now,
            now=now,
            ends_with_pause=ends_with_pause,
        )

    async def _make(self, deal: Deal, title: str, fields: DealFields) -> Change | None:
        request = self._pauses.request(RequestKind.WRITE, subject_of(deal.user_key))
        async with self._destination.turn() as turn:
            leased = self._clocks.read()
            again = deal.looked_at is not None
            # Reading the deals, the search and the wait for the turn may have taken long.
            if again and not delivery.is_fresh(deal.looked_at, self._now()):
                return None
            async with self._database.begin() as transaction:
                now = self._now()  # not before: see `Sender._post`
                # A database that was set back may have this claim, but not the deal made since.
                mode = await self._mode(transaction)
                start = Start(now, self._waits.lease, self._destination.now, mode)
                if not await self._last_sent.is_there(transaction) or not await deals.begin_sending(
                    transaction, deal, start, title
                ):
                    return None
                if again or self._list_lag.lasts:
                    await second_deals.watch(transaction, deal, now)
            self._last_sent.note_deal_sent(deal.user_key, title, now)
            outcome = stale_lease(leased, self._clocks, self._waits) or (
                await self._index.create(deal, title, fields, turn)
            )
        outcome = self._pauses.refused_alone(outcome, request)
        refusal = outcome if isinstance(outcome, Refused) else None
        if isinstance(outcome, Accepted):
            self._index.note(Item(outcome.id, title, None, is_open=True))
            await self._note_made(deal, DealId(outcome.id), title)
            await self._terms.deal_made()
        alone = await others_pass(self._database, outcome, deal.sent_at)
        change = delivery.after_refusal(
            self._after(deal, outcome),
            outcome,
            attempt=deal.attempts + 1,
            refusals=deal.refusals,
            alone=alone,
            now=self._now(),
        )
        outcome = delivery.outcome_for_others(outcome, change, alone=alone)
        if isinstance(outcome, DealsCapped):
            # The limit belongs to the account: one deal an hour tries whether it was raised.
            self._capped_until, self._cap_reason = self._now() + CAP_PAUSE, outcome.reason
            change = Change(
                PublicationState.PENDING,
                self._capped_until,
                reason=outcome.reason,
                attempts=deal.attempts,
            )
        await self._pauses.after(outcome, request)
        if refusal is None:
            return change
        return await self._why_refused(deal, fields, refusal) or change

    async def _note_made(self, deal: Deal, deal_id: DealId, title: str) -> None:
        """Record that gitpip made a deal, so that an undo can delete it."""
        value = self._terms.policies.current.deal_value
        async with self._database.begin() as transaction:
            await made_deals.note(transaction, deal.user_key, deal_id, title, value)

    async def _why_refused(self, deal: Deal, fields: DealFields, refusal: Refused) -> Change | None:
        """Return the change of a refused deal if the settings, and not the deal, are the reason."""
        try:
            changed = await self._terms.changed_since(fields, refusal)
        except Unsettled as fault:
            return self._unsettled(deal, fault)
        except LookFailed as failure:
            reading = self._pauses.request(RequestKind.READ, subject_of(deal.user_key))
            return await self._list_failed(deal, failure, reading)
        if not changed:
            return None
        return Change(PublicationState.PENDING, self._now(), attempts=deal.attempts)

    def _after(self, deal: Deal, outcome: Outcome) -> Change:
        return delivery.after_sending(outcome, attempt=deal.attempts + 1, now=self._now())


def subject_of(user_key: UserKey) -> str:
    """Return the name under which requests about a user's deal are counted."""
    return f"the deal of {user_key}"


def attempt_of(row: Publication | Deal) -> Attempt:
    """Return how far the delivery of an uncertain row is."""
    return Attempt(max(row.attempts, 1), row.looks, row.in_flight_until, row.reason, row.sent_at)


def stale_lease(leased: Moment, clocks: Clocks, waits: Waits) -> NotProcessed | None:
    """Return the outcome if the process was frozen since it took the lease, so must not send.

    Another process may have searched for the row and sent it since. The row does not show that if
    the database was restored since.
    """
    if clocks.read().most_since(leased) < waits.latest_start:
        return None
    reason = "gitpip was slow or stood still before it sent this, so it searches for it first"
    return NotProcessed(reason, timedelta(0), everyone=False, look_first=True)
