"""Claim, act, record: carries waiting publications into Pipedrive, one request at a time."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from gitpip import metrics
from gitpip.clock import utc_now
from gitpip.errors import DatabaseUnavailable
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
from gitpip.progress import step
from gitpip.publish import delivery
from gitpip.publish.account import Clearance
from gitpip.publish.activity import Rendered
from gitpip.publish.amender import Amender
from gitpip.publish.answers import LookFailed
from gitpip.publish.deals import SENDER_DIED, Deals, held_up, subject_of
from gitpip.publish.delivery import Denied, NotProcessed, Outcome, Refused, Waits
from gitpip.publish.looks import Looks
from gitpip.publish.pauses import Pauses
from gitpip.publish.pipedrive import Pipedrive
from gitpip.publish.records import record, unexpected
from gitpip.publish.repeats import Repeats
from gitpip.publish.sending import rendered
from gitpip.publish.trouble import Kind, Request
from gitpip.store import amendments, deals, outbox, publications
from gitpip.store.database import Database
from gitpip.telemetry import get_logger

BATCH = 10
DEALS_LOOKED_AT = 2
"""Between two batches: looks for uncertain publications hold up neither the rest nor each other."""
LOOKED_FOR = 500
SHORT_PAUSE = timedelta(seconds=5)
"""A run waits for the end of a pause that is no longer; for longer ones it ends."""

log = get_logger()


class Publisher:
    """Publishes what is due. At most one should run per Pipedrive account.

    Two running side by side do no harm, thanks to the claims, but share one rate limit.
    """

    def __init__(
        self,
        database: Database,
        pipedrive: Pipedrive,
        *,
        timeout: timedelta,
        on_edit: OnEdit = OnEdit.IGNORE,
        on_delete: OnDelete = OnDelete.IGNORE,
        short_pause: timedelta = SHORT_PAUSE,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`timeout`: the client's; `short_pause`: how long a pause a run waits for."""
        self._on_edit = on_edit
        self._on_delete = on_delete
        self._short_pause = short_pause
        self._database = database
        self._pipedrive = pipedrive
        self._waits = Waits(timeout)
        self._now = now
        self._stop_asked = asyncio.Event()
        self._pauses = Pauses(database, pipedrive, now)
        self._clearance = Clearance(database, pipedrive, self._pauses, now=now)
        self._deals = Deals(database, pipedrive, self._pauses, waits=self._waits, now=now)
        self._looks = Looks(database, pipedrive, self._pauses, waits=self._waits, now=now)
        self._amender = Amender(database, pipedrive, self._pauses, self._rendered, now=now)
        self._repeats = Repeats()

    def stop(self) -> None:
        """Let `run` return after the publication at hand."""
        self._stop_asked.set()

    async def due(self) -> bool:
        """Whether there is something to do now."""
        if not self._pipedrive.has_token or await self._pauses.current() is not None:
            return False
        if await self._clearance.stopped():
            return False
        if await self._clearance.requested():
            return True
        now = self._now()
        async with self._database.read() as transaction:
            next_due = await publications.next_due(transaction)
            if next_due is not None and next_due <= now:
                return True
            return await amendments.any_due(transaction, now)

    async def take_over(self) -> None:
        """Free what a dead process held; only for a process that is the only one on its database.

        What that process was sending becomes uncertain, as its requests may still land.
        """
        now, waits = self._now(), self._waits
        lost = delivery.uncertain(SENDER_DIED, now=now, in_flight=waits.in_flight, waits=waits)
        async with self._database.begin() as transaction:
            given_up = await outbox.give_up(transaction, lost, expired_at=None)
            await outbox.free_claims(transaction)
            await deals.give_up_all(transaction, lost)
        metrics.deliveries.labels(PublicationState.UNCERTAIN).inc(given_up)

    async def run(self) -> int:
        """Publish until nothing is due, or publishing is paused; give the number of steps done.

        A failure of one publication, deal or note is recorded with it and does not end the run.
        Raises DatabaseUnavailable.
        """
        if not self._pipedrive.has_token:
            return 0
        steps = 0
        token = secrets.token_hex(16)
        try:
            while await self._may_go_on():
                done = await self._batch(token)
                if not done:
                    done = await self._amender.run(self._may_go_on)
                    if not done:
                        break
                steps += done
        finally:
            async with self._database.begin() as transaction:
                await outbox.release(transaction, token)
        return steps

    async def _may_go_on(self) -> bool:
        """Whether to take another step, after waiting for the end of a short pause."""
        while not self._stop_asked.is_set():
            pause = await self._pauses.current()
            if pause is None:
                return await self._clearance.permits()
            left = pause.until - self._now()
            if left > self._short_pause:
                return False
            step()
            try:
                async with asyncio.timeout(left.total_seconds()):
                    await self._stop_asked.wait()
            except TimeoutError:
                pass
        return False

    async def _batch(self, token: str) -> int:
        """Look for a few uncertain publications and send a few pending ones; give the steps."""
        done = 0
        for deal_id, claims in (await self._claim_looks(token)).items():
            if not await self._may_go_on():
                return done
            await self._looks.look(deal_id, claims)
            done += 1
            step()
        held_back: set[UserKey] = set()
        # After a refusal by the edge, another publication shows whether it refuses everybody.
        for claim in sorted(await self._claim_sends(token), key=self._is_suspected):
            if not await self._may_go_on():
                return done
            if claim.user_key not in held_back:
                await self._guarded(claim, held_back)
            done += 1
            step()
        return done

    def _is_suspected(self, claim: Publication) -> bool:
        subjects = (_subject(claim), subject_of(claim.user_key))
        return any(self._pauses.suspected(subject) for subject in subjects)

    async def _claim_looks(self, token: str) -> dict[DealId, tuple[Publication, ...]]:
        now, waits = self._now(), self._waits
        lost = delivery.uncertain(SENDER_DIED, now=now, in_flight=waits.lease, waits=waits)
        async with self._database.begin() as transaction:
            given_up = await outbox.give_up(transaction, lost, expired_at=now)
            claimed = await outbox.claim_looks(
                transaction,
                token=token,
                now=now,
                claim=waits.claim,
                deals=DEALS_LOOKED_AT,
                limit=LOOKED_FOR,
            )
        metrics.deliveries.labels(PublicationState.UNCERTAIN).inc(given_up)
        return claimed

    async def _claim_sends(self, token: str) -> tuple[Publication, ...]:
        async with self._database.begin() as transaction:
            return await outbox.claim_sends(
                transaction, token=token, now=self._now(), claim=self._waits.claim, limit=BATCH
            )

    async def _guarded(self, claim: Publication, held_back: set[UserKey]) -> None:
        try:
            deal = await self._deals.of(claim.user_key)
            if deal.state is PublicationState.PUBLISHED and deal.deal_id is not None:
                await self._send(claim, deal.deal_id)
            else:
                held_back.add(claim.user_key)
                await self._wait_for(deal, claim)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            log.exception("publication.broken", login=claim.login, publication_id=claim.id)
            await self._set_aside(claim, unexpected(error))

    async def _set_aside(self, claim: Publication, reason: str) -> None:
        """Keep an unexpected error to its publication, uncertain if it may have been sent."""
        now, waits = self._now(), self._waits
        sent = delivery.uncertain(reason, now=now, in_flight=waits.in_flight, waits=waits)
        waiting = delivery.retried(claim.attempts + 1, reason, now=now)
        sending = PublicationState.SENDING
        if not await record(self._database, claim, sent, now, only_in=sending):
            await record(self._database, claim, waiting, now)

    async def _wait_for(self, deal: Deal, claim: Publication) -> None:
        """Let all of the user's publications wait for the deal, or fail with it."""
        now = self._now()
        reason = f"waits for the deal: {deal.reason or deal.state}"
        if deal.state is PublicationState.FAILED:
            change = Change(PublicationState.FAILED, now, reason=reason)
        else:
            soon = now + timedelta(seconds=1)
            change = Change(PublicationState.PENDING, max(deal.due_at, soon), reason=reason)
        async with self._database.begin() as transaction:
            number = await outbox.hold_back(
                transaction, claim.user_key, change, token=claim.token or "", now=now
            )
        metrics.deliveries.labels(change.state).inc(number)
        failed = change.state is PublicationState.FAILED
        (log.error if failed else log.info)(
            "publication.failed" if failed else "publication.waits",
            login=claim.login,
            publications=number,
            reason=reason,
            until=change.due_at,
        )

    async def _send(self, claim: Publication, deal_id: DealId) -> None:
        activity = await self._rendered(claim.file_key, claim.revision)
        await self._pipedrive.ready()
        leased = asyncio.get_running_loop().time()
        async with self._database.begin() as transaction:
            if not await outbox.begin_sending(
                transaction,
                claim,
                deal_id=deal_id,
                now=self._now(),
                lease=self._waits.lease,
            ):
                return
        outcome = held_up(leased, self._waits) or await self._pipedrive.create_activity(
            deal_id=deal_id, subject=activity.subject, note=activity.note
        )
        request = Request(Kind.WRITE, _subject(claim))
        outcome = self._pauses.own(outcome, request)
        if isinstance(outcome, Refused):
            outcome = await self._why_refused(outcome, claim, deal_id)
        now = self._now()
        change = delivery.after_sending(
            outcome, attempt=claim.attempts + 1, now=now, waits=self._waits
        )
        change = self._repeats.after(outcome, claim.id, change)
        await record(self._database, claim, change, now)
        await self._pauses.after(outcome, request)

    async def _why_refused(self, refusal: Refused, claim: Publication, deal_id: DealId) -> Outcome:
        """A refusal counts for good only when the deal is known to be there still."""
        try:
            gone = await self._deals.is_gone(deal_id)
        except LookFailed as failure:
            reason = f"{refusal.reason}; and could not look at the deal: {failure}"
            if isinstance(failure.outcome, NotProcessed) and failure.outcome.everyone:
                await self._pauses.after(
                    failure.outcome, Request(Kind.READ, subject_of(claim.user_key))
                )
                return NotProcessed(reason, timedelta(0), everyone=False)
            return Denied(reason)
        if not gone:
            return refusal
        await self._deals.forget(claim)
        return Denied("the deal is gone", quick_retries=1)

    async def _rendered(self, key: FileKey, revision: int) -> Rendered:
        async with self._database.read() as transaction:
            return await rendered(
                transaction, key, revision, on_edit=self._on_edit, on_delete=self._on_delete
            )


def _subject(claim: Publication) -> str:
    return f"publication {claim.id}"
