"""The sender of one publication: ensures its deal, sends it, and records the result."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitpip.errors import OWN_FAULT, DatabaseUnavailable
from gitpip.model import (
    Change,
    Deal,
    DealId,
    FileKey,
    OnDelete,
    OnEdit,
    Publication,
    PublicationState,
    UserKey,
)
from gitpip.observability import metrics
from gitpip.observability.logging import get_logger
from gitpip.publish import delivery
from gitpip.publish.activity import Rendered
from gitpip.publish.activity_search import ActivitySearch
from gitpip.publish.catalog import ActivityFields
from gitpip.publish.circuit_breaker import Request, RequestKind
from gitpip.publish.deals import Deals, stale_lease, subject_of
from gitpip.publish.delivery import Ambiguous, Denied, NotProcessed, Outcome, Refused, Waits
from gitpip.publish.destination import DealNotRead, Item, LookFailed, Place, Turn
from gitpip.publish.detector_pause import NotExamined
from gitpip.publish.guards import Guards
from gitpip.publish.pauses import Channel
from gitpip.publish.places import Places, subject_of_target
from gitpip.publish.preview import rendered, rendered_together
from gitpip.publish.records import others_pass, record
from gitpip.publish.running_tasks import RunningTasks
from gitpip.publish.sent_fields import TERMS_TRIED_AGAIN_AFTER, Unsettled
from gitpip.store.database import Transaction
from gitpip.store.publications import outbox, second_sends, undone_deals
from gitpip.store.publications.delivered import PUBLICATIONS, Start
from gitpip.targets import DealLinks

LISTS_AGAIN_AFTER = timedelta(minutes=1)

log = get_logger()


@dataclass(frozen=True)
class SendRules:
    """The environment's settings for what is sent."""

    on_edit: OnEdit = OnEdit.IGNORE
    on_delete: OnDelete = OnDelete.IGNORE
    given: Mapping[str, str] = field(default_factory=dict)
    """The publishing settings that are given, as texts by their names."""


@dataclass(frozen=True)
class Ready:
    """An activity with all fields that are sent."""

    place: Place
    activity: Rendered
    fields: ActivityFields


OTHERS: ContextVar[Sequence[Publication]] = ContextVar("OTHERS", default=())
"""The publications that go out with the claim that this task sends. They are kept by task, and not
by publication: one whose claim expired and was made again can be sent by two tasks for a moment."""


class Sender:
    """Sends publications. Several can be under way."""

    def __init__(
        self,
        channel: Channel,
        looks: ActivitySearch,
        deals: Deals,
        guards: Guards,
        *,
        waits: Waits,
        rules: SendRules,
    ) -> None:
        self._database = channel.database
        self._destination = channel.destination
        self._pauses = channel.pauses
        self._looks = looks
        self._deals = deals
        self._places = Places(channel, now=guards.clocks.wall)
        self._terms = channel.terms
        self._last_sent = guards.last_sent
        self._list_lag = guards.list_lag
        self._detector_pause = guards.detector_pause
        self._waits = waits
        self._rules = rules
        self._policies = channel.terms.policies
        self._clocks = guards.clocks
        self._mode = guards.mode
        self._now = guards.clocks.wall
        self._deal_turns: defaultdict[UserKey, asyncio.Lock] = defaultdict(asyncio.Lock)

    def is_suspected(self, claim: Publication) -> bool:
        """Return whether it or its deal failed, so that others go first."""
        user_key = claim.user_key
        subjects = (subject_about(claim), subject_of(user_key), subject_of_target(user_key))
        return claim.refusals > 0 or any(map(self._pauses.suspected, subjects))

    async def send(
        self,
        claim: Publication,
        running: RunningTasks,
        postponed: set[UserKey],
        others: Sequence[Publication] = (),
    ) -> None:
        """Send a claimed publication, unless its user is `postponed` or publishing is paused.

        The `others` of its gist, claimed with it and never sent, go out in the same activity. A
        failure is recorded with it. Raises DatabaseUnavailable.
        """
        sent_along = OTHERS.set(others)
        try:
            found = await self._read_place_and_activity(claim)
            if found is None and (place := await self._ask_for_place(claim, postponed)) is not None:
                async with self._database.read() as transaction:
                    found = place, await self._activity(transaction, claim)
            if found is not None:
                await self._send(claim, *found, running)
        except DatabaseUnavailable:
            raise
        except NotExamined as trouble:
            await self._detector_pause.stop(str(trouble))
            await self._release(claim)
        except Exception:
            log.exception("publication.broken", login=claim.login, publication_id=claim.id)
            await self._set_aside(claim, OWN_FAULT)
        finally:
            OTHERS.reset(sent_along)

    async def _read_place_and_activity(self, claim: Publication) -> tuple[Place, Rendered] | None:
        """Read both in one transaction, or return None if Pipedrive must be asked for the place."""
        async with self._database.read() as transaction:
            place = await self._places.known(transaction, claim)
            if place is None:
                return None
            return place, await self._activity(transaction, claim)

    async def _activity(self, transaction: Transaction, claim: Publication) -> Rendered:
        """Return the activity. If it was sent before, it holds the same files as then."""
        if claim.sent_at is not None:
            return await self._rendered(transaction, claim.file_key, claim.revision)
        return _examined(
            await rendered_together(
                transaction,
                (claim, *OTHERS.get()),
                on_edit=self._rules.on_edit,
                on_delete=self._rules.on_delete,
                policies=self._policies,
            )
        )

    async def _ask_for_place(self, claim: Publication, postponed: set[UserKey]) -> Place | None:
        """Check the user's target in Pipedrive, or find or make the deal.

        Returns None if its user's files wait for that; the user is added to `postponed`.
        """
        async with self._deal_turns[claim.user_key]:
            if claim.user_key in postponed:
                return None
            target = await self._places.target_of(claim)
            if target is not None:
                place = await self._places.settle(claim, target)
                if isinstance(place, Place):
                    return place
                postponed.add(claim.user_key)
                await self._postpone(claim, place)
                return None
            deal = await self._deals.of(claim)
            if deal is None:
                return None
            if deal.state is PublicationState.PUBLISHED and deal.deal_id is not None:
                return Place.deal(deal.deal_id, DealLinks(deal.person_id, deal.org_id))
            postponed.add(claim.user_key)
            await self._wait_for(deal, claim)
        return None

    async def _set_aside(self, claim: Publication, reason: str) -> None:
        """Record an unexpected error with its publication; uncertain if it may have been sent."""
        now = self._now()
        sent = delivery.uncertain(reason, now=now)
        waiting = delivery.retried(claim.attempts + 1, reason, now=now)
        sending = PublicationState.SENDING
        if not await record(self._database, claim, sent, now, only_in=sending):
            await self._record(claim, waiting, now)

    async def _record(self, claim: Publication, change: Change, now: datetime) -> None:
        """Write an outcome. If it must wait, what was to go out with it waits as well."""
        for each in (claim, *OTHERS.get()):
            await record(self._database, each, change, now)

    async def _wait_for(self, deal: Deal, claim: Publication) -> None:
        """Postpone the user's publications until the deal exists; fail them if it failed."""
        now = self._now()
        why = f": {deal.reason}" if deal.reason else ""
        if deal.state is PublicationState.FAILED:
            reason = f"The deal could not be found or created{why}"
            change = Change(PublicationState.FAILED, now, reason=reason)
        else:
            reason = f"The deal is not ready yet{why}"
            soon = now + timedelta(seconds=1)
            change = Change(PublicationState.PENDING, max(deal.due_at, soon), reason=reason)
        await self._postpone(claim, change)

    async def _postpone(self, claim: Publication, change: Change) -> None:
        """Apply a change to all files of a user that are due to be sent."""
        now = self._now()
        async with self._database.begin() as transaction:
            number = await outbox.postpone(
                transaction, claim.user_key, change, token=claim.token or "", now=now
            )
        metrics.deliveries.labels(change.state).inc(number)
        failed = change.state is PublicationState.FAILED
        (log.error if failed else log.info)(
            "publication.failed" if failed else "publication.waits",
            login=claim.login,
            publications=number,
            reason=change.reason,
            until=change.due_at,
        )

    async def _send(
        self, claim: Publication, place: Place, activity: Rendered, running: RunningTasks
    ) -> None:
        request = self._pauses.request(
            RequestKind.WRITE, subject_about(claim), beside=running.width
        )
        ready = await self._ready(place, activity)
        outcome: Outcome | None
        if isinstance(ready, Denied):
            await self._keep_back(claim, ready)
            return
        if isinstance(ready, NotProcessed):
            outcome = ready
        elif claim.looked_at is not None:
            outcome = await self._send_again(claim, ready)
        else:
            async with self._destination.turn() as turn:
                outcome = await self._post(claim, ready, turn)
        if outcome is None:
            await self._release(claim)
        else:
            await self._conclude(claim, ready, outcome, request, running)

    async def _release(self, claim: Publication) -> None:
        async with self._database.begin() as transaction:
            await PUBLICATIONS.release(transaction, claim.token or "", [claim.id])

    async def _keep_back(self, claim: Publication, denial: Denied) -> None:
        """Count an attempt that failed before anything was sent. It says nothing about others."""
        now = self._now()
        change = delivery.after_sending(denial, attempt=claim.attempts + 1, now=now)
        await self._record(claim, replace(change, refusals=0), now)

    async def _ready(self, place: Place, activity: Rendered) -> Ready | NotProcessed | Denied:
        """Return the activity with the fields of the publishing settings, or why it can't be sent.

        Returns Denied if the deal can't be read: then only activities for that deal wait.
        """
        try:
            fields = await self._terms.activity(place.deal_id, activity.day, self._deal)
        except Unsettled as fault:
            return NotProcessed(str(fault), TERMS_TRIED_AGAIN_AFTER, setting=True)
        except DealNotRead as failure:
            outcome = failure.outcome
            return outcome if isinstance(outcome, NotProcessed) else Denied(str(failure))
        except LookFailed as failure:
            return _lists_not_read(failure)
        return Ready(place, activity, fields)

    async def _deal(self, deal_id: DealId) -> Item | None:
        """Return a deal as it is now, or None if it was deleted. Raises DealNotRead."""
        request = self._pauses.request(RequestKind.READ, f"deal {deal_id}")
        try:
            deal = await self._destination.deal(deal_id)
        except LookFailed as failure:
            outcome = await self._pauses.failed(failure.outcome, request)
            raise DealNotRead(deal_id, LookFailed(outcome)) from failure
        await self._pauses.after(None, request)
        return deal

    async def _send_again(self, claim: Publication, ready: Ready) -> Outcome | None:
        """Send what may have been sent before, after a search for it. Return None if not sent."""
        again = await self._looks.look_again(claim, ready.place.deal_id)
        if again is None:
            return None
        async with self._destination.turn() as turn:
            if not delivery.is_fresh(again.looked_at, self._now()):
                return None
            return await self._post(again, ready, turn)

    async def _post(self, claim: Publication, ready: Ready, turn: Turn) -> Outcome | None:
        """Mark it as being sent, and send it.

        Returns None if publishing was paused in the meantime, or it is no longer ours to send.
        """
        if self._pauses.holds():
            return None
        leased = self._clocks.read()
        try:
            now = await self._begin(claim, ready)
        except _DealBeingDeleted:
            return None
        if now is None:
            return None
        self._last_sent.note_sent(claim.marker, now)
        return stale_lease(leased, self._clocks, self._waits) or (
            await self._destination.create_activity(
                place=ready.place,
                subject=ready.activity.subject,
                note=ready.activity.note,
                fields=ready.fields,
                turn=turn,
            )
        )

    async def _begin(self, claim: Publication, ready: Ready) -> datetime | None:
        """Mark it as being sent; return the time by our own clock, or None if it may not be sent.

        Raises _DealBeingDeleted if an undo has begun to delete its deal.
        """
        deal_id = ready.place.deal_id
        async with self._database.begin() as transaction:
            now = self._now()  # in the transaction: waiting for the database's lock can take long
            # A database that was set back may have this claim, but not what was sent since.
            if not await self._last_sent.is_there(transaction) or not await outbox.begin_sending(
                transaction,
                claim,
                Start(now, self._waits.lease, self._destination.now, await self._mode(transaction)),
                deal_id=deal_id,
                sent_to=ready.place.target if ready.place.given else None,
                others=OTHERS.get(),
            ):
                return None
            if self._list_lag.lasts:
                # It may already be in Pipedrive, unknown to this database and not listed yet.
                await second_sends.OF_PUBLICATIONS.begin(transaction, claim.id, now)
            if deal_id is not None and await undone_deals.is_being_deleted(
                transaction, claim.user_key, deal_id
            ):
                raise _DealBeingDeleted
        return now

    async def _conclude(
        self,
        claim: Publication,
        ready: Ready | NotProcessed,
        outcome: Outcome,
        request: Request,
        running: RunningTasks,
    ) -> None:
        outcome = self._pauses.refused_alone(outcome, request)
        if isinstance(outcome, Refused) and isinstance(ready, Ready):
            outcome = await self._why_refused(outcome, claim, ready)
        now = self._now()
        alone = await others_pass(self._database, outcome, claim.sent_at)
        change = delivery.after_sending(outcome, attempt=claim.attempts + 1, now=now)
        change = delivery.after_refusal(
            change,
            outcome,
            attempt=claim.attempts + 1,
            refusals=claim.refusals,
            alone=alone,
            now=now,
        )
        change = replace(change, was_refused=delivery.was_refused(outcome))
        outcome = delivery.outcome_for_others(outcome, change, alone=alone)
        # Its row says where it was sent, or that this is forgotten. The claim is older.
        await self._record(replace(claim, deal_id=None), change, now)
        self._tell(running, outcome)
        if await self._pauses.after(outcome, request) is not None:
            running.stopped()

    async def _why_refused(self, refusal: Refused, claim: Publication, ready: Ready) -> Outcome:
        """Return the refusal, final only if neither the place nor a setting caused it."""
        place = ready.place
        try:
            if place.given:
                about_place = await self._places.why_refused(place, claim, refusal.reason)
            else:
                about_place = await self._deals.why_refused(claim, place, refusal.reason)
        except LookFailed as failure:
            what = f"look at the {place.target.kind.value}"
            return await self._unexplained(refusal, claim, what, failure)
        return about_place or await self._of_settings(refusal, claim, ready)

    async def _unexplained(
        self, refusal: Refused, claim: Publication, what: str, failure: LookFailed
    ) -> Outcome:
        """Return the outcome of a refusal whose reason is unknown: others may well be accepted."""
        reason = f"{refusal.reason}; and could not {what}: {failure}"
        if isinstance(failure.outcome, NotProcessed) and failure.outcome.everyone:
            about = self._pauses.request(RequestKind.READ, subject_of(claim.user_key))
            await self._pauses.after(failure.outcome, about)
            return NotProcessed(reason, timedelta(0), everyone=False)
        return Denied(reason)

    async def _of_settings(self, refusal: Refused, claim: Publication, ready: Ready) -> Outcome:
        """Return the refusal, unless its reason is something that the account no longer has."""
        try:
            changed = await self._terms.changed_since(ready.fields, refusal)
        except Unsettled as fault:
            return NotProcessed(str(fault), TERMS_TRIED_AGAIN_AFTER, setting=True)
        except LookFailed as failure:
            return await self._unexplained(refusal, claim, "read the account's lists", failure)
        if changed:
            return NotProcessed(refusal.reason, timedelta(0), everyone=False)
        return refusal

    def _tell(self, running: RunningTasks, outcome: Outcome) -> None:
        match outcome:
            case Ambiguous():
                running.failed()
            case NotProcessed():
                running.stopped()
            case _:
                running.succeeded(self._destination.burst)

    async def rendered(self, key: FileKey, revision: int) -> Rendered:
        """Return what is sent for a revision of a file; raises NotExamined if none can be."""
        async with self._database.read() as transaction:
            return await self._rendered(transaction, key, revision)

    async def _rendered(self, transaction: Transaction, key: FileKey, revision: int) -> Rendered:
        return _examined(
            await rendered(
                transaction,
                key,
                revision,
                on_edit=self._rules.on_edit,
                on_delete=self._rules.on_delete,
                policies=self._policies,
            )
        )


def _examined(activity: Rendered) -> Rendered:
    """Return the activity if its files could be examined; otherwise raises NotExamined."""
    if activity.trouble is not None:
        raise NotExamined(activity.trouble)
    return activity


class _DealBeingDeleted(Exception):
    """An undo has begun to delete the deal, so the transaction is rolled back."""


def _lists_not_read(failure: LookFailed) -> NotProcessed:
    if isinstance(failure.outcome, NotProcessed):
        return failure.outcome
    reason = f"the lists of the Pipedrive account could not be read: {failure}"
    return NotProcessed(reason, LISTS_AGAIN_AFTER)


def subject_about(claim: Publication) -> str:
    """Return the name under which failures of this publication are counted."""
    return f"publication {claim.id}"
