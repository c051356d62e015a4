"""Claim, act, record: carries waiting publications into Pipedrive, one request at a time."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from gitpip import metrics
from gitpip.clock import utc_now
from gitpip.model import (
    Change,
    Deal,
    DealId,
    FileKey,
    OnDelete,
    OnEdit,
    Pause,
    PauseCause,
    Publication,
    PublicationState,
)
from gitpip.progress import step
from gitpip.publish.activity import Rendered, bears_marker
from gitpip.publish.delivery import (
    Accepted,
    Ambiguous,
    NotProcessed,
    Outcome,
    Refused,
    Waits,
    after_looking,
    after_sending,
    longer_pause,
)
from gitpip.publish.pipedrive import (
    CONNECT_PAUSE,
    DAILY_PAUSE,
    DAILY_RESERVE,
    LookFailed,
    Pipedrive,
)
from gitpip.publish.sending import rendered
from gitpip.store import amendments, deals, operation, publications
from gitpip.store.database import Database
from gitpip.telemetry import get_logger

BATCH = 10
LONGEST_PAUSE = timedelta(minutes=30)
TROUBLE = 6
"""After so many ambiguous outcomes in a row Pipedrive is in trouble, and gets a rest."""
DEALS_KNOWN_FOR = timedelta(minutes=1)
"""A list of all deals serves every user who needs one within this time."""
CLOCKS_APART = timedelta(days=1)
"""How far Pipedrive's clock and ours may be apart when looking for what was sent."""

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
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._on_edit = on_edit
        self._on_delete = on_delete
        self._database = database
        self._pipedrive = pipedrive
        self._waits = Waits(timeout)
        self._now = now
        self._stopping = False
        self._trouble = 0
        self._unreached = 0
        self._deals: dict[str, int] = {}
        self._deals_read_at: datetime | None = None

    def stop(self) -> None:
        """Let `run` return after the publication at hand."""
        self._stopping = True

    async def due(self) -> bool:
        """Whether there is something to do now."""
        if not self._pipedrive.has_token:
            return False
        now = self._now()
        async with self._database.read() as transaction:
            if await operation.paused(
                transaction, operation.PUBLISHING, now, credential=self._pipedrive.fingerprint
            ):
                return False
            next_due = await publications.next_due(transaction)
            if next_due is not None and next_due <= now:
                return True
            return await amendments.any_due(transaction, now)

    async def run(self) -> int:
        """Publish until nothing is due, or publishing is paused; give the number of steps done."""
        if not self._pipedrive.has_token:
            return 0
        steps = 0
        token = secrets.token_hex(16)
        try:
            while not self._stopping and not await self._paused():
                claims = await self._claim(token)
                if not claims:
                    amended = await self._amend()
                    if not amended:
                        break
                    steps += amended
                for claim in claims:
                    if self._stopping or await self._paused():
                        break
                    await self._advance(claim)
                    steps += 1
                    step()
        finally:
            async with self._database.begin() as transaction:
                await publications.release(transaction, token)
        return steps

    async def _paused(self) -> bool:
        async with self._database.read() as transaction:
            pause = await operation.paused(
                transaction,
                operation.PUBLISHING,
                self._now(),
                credential=self._pipedrive.fingerprint,
            )
        return pause is not None

    async def _claim(self, token: str) -> tuple[Publication, ...]:
        async with self._database.begin() as transaction:
            return await publications.claim_due(
                transaction,
                token=token,
                now=self._now(),
                claim=self._waits.claim,
                lease=self._waits.lease,
                limit=BATCH,
            )

    async def _advance(self, claim: Publication) -> None:
        if claim.state is PublicationState.UNCERTAIN:
            await self._look(claim)
            return
        deal = await self._deal_of(claim)
        if deal.state is PublicationState.PUBLISHED and deal.deal_id is not None:
            await self._send(claim, deal.deal_id)
        else:
            await self._wait_for(deal, claim)

    async def _wait_for(self, deal: Deal, claim: Publication) -> None:
        reason = f"waits for the deal: {deal.reason or deal.state}"
        if deal.state is PublicationState.FAILED:
            change = Change(PublicationState.FAILED, self._now(), reason=reason)
        else:
            soon = self._now() + timedelta(seconds=1)
            change = Change(PublicationState.PENDING, max(deal.due_at, soon), reason=reason)
        await self._record(claim, change)

    async def _send(self, claim: Publication, deal_id: DealId) -> None:
        activity = await self._rendered(claim.file_key, claim.revision)
        await self._pipedrive.ready()
        leased = asyncio.get_running_loop().time()
        async with self._database.begin() as transaction:
            if not await publications.begin_sending(
                transaction,
                claim,
                deal_id=deal_id,
                now=self._now(),
                lease=self._waits.lease,
            ):
                return
        outcome = self._too_late(leased) or await self._pipedrive.create_activity(
            deal_id=deal_id, subject=activity.subject, note=activity.note
        )
        if isinstance(outcome, Refused):
            outcome = await self._why_refused(outcome, claim, deal_id)
        await self._record(claim, after_sending(outcome, now=self._now(), waits=self._waits))
        await self._pause_after(outcome)

    async def _rendered(self, key: FileKey, revision: int) -> Rendered:
        async with self._database.read() as transaction:
            return await rendered(
                transaction, key, revision, on_edit=self._on_edit, on_delete=self._on_delete
            )

    async def _amend(self) -> int:
        """Write a few notes anew whose files changed; give their number."""
        async with self._database.read() as transaction:
            due = await amendments.due(transaction, self._now(), BATCH)
        for number, amendment in enumerate(due):
            if self._stopping or await self._paused():
                return number
            rendered = await self._rendered(amendment.file_key, amendment.revision)
            outcome = await self._pipedrive.rewrite_note(amendment.activity_id, rendered.note)
            async with self._database.begin() as transaction:
                match outcome:
                    case Accepted():
                        await amendments.done(transaction, amendment)
                    case Refused(reason=reason):
                        failure = (
                            f"published, but its note could not be brought up to date: {reason}"
                        )
                        await amendments.done(transaction, amendment, failure)
                    case NotProcessed() | Ambiguous():
                        later = self._now() + self._waits.between_looks
                        await amendments.postpone(transaction, amendment, later)
            log.info(
                "publication.amended"
                if isinstance(outcome, Accepted)
                else "publication.not_amended",
                publication_id=amendment.publication_id,
                activity_id=amendment.activity_id,
                reason=getattr(outcome, "reason", None),
            )
            await self._pause_after(outcome)
        return len(due)

    async def _why_refused(
        self, refusal: Refused, claim: Publication, deal_id: DealId
    ) -> Refused | NotProcessed:
        """A refusal counts for good only when the deal is known to be there still."""
        try:
            gone = await self._pipedrive.deal_is_gone(deal_id)
        except LookFailed as failure:
            await self._pause_after(failure.outcome)
            reason = f"{refusal.reason}; and could not look at the deal: {failure}"
            return NotProcessed(reason, self._waits.between_looks, everyone=False)
        if not gone:
            return refusal
        async with self._database.begin() as transaction:
            await deals.forget(transaction, claim.user_key, self._now())
        self._deals_read_at = None
        return NotProcessed("the deal is gone", timedelta(seconds=1), everyone=False)

    async def _look(self, claim: Publication) -> None:
        if claim.deal_id is None:
            raise ValueError(f"publication {claim.id} is uncertain but was never sent")
        since = (claim.sent_at or self._now()) - CLOCKS_APART
        found = None
        try:
            async for item in self._pipedrive.activities(claim.deal_id, since=since):
                if bears_marker(claim.marker, subject=item.text, note=item.note):
                    found = item.id
                    break
        except LookFailed as failure:
            await self._look_later(claim, failure)
            return
        change = after_looking(
            found, looks=claim.looks, reason=claim.reason, now=self._now(), waits=self._waits
        )
        await self._record(claim, change)
        await self._pause_after(None)

    async def _look_later(self, claim: Publication, failure: LookFailed) -> None:
        refused = isinstance(failure.outcome, Refused)
        if refused and claim.deal_id and await self._deal_is_gone(claim.deal_id):
            # The deal was deleted, and its activities with it: nothing is there to be found.
            change = after_looking(
                None, looks=claim.looks, reason=claim.reason, now=self._now(), waits=self._waits
            )
        else:
            change = self._unlooked(claim, failure)
        await self._record(claim, change)
        await self._pause_after(failure.outcome)

    def _unlooked(self, row: Publication | Deal, failure: LookFailed) -> Change:
        return Change(
            PublicationState.UNCERTAIN,
            self._now() + self._waits.between_looks,
            looks=row.looks,
            reason=f"could not look for it: {failure}",
        )

    async def _deal_of(self, claim: Publication) -> Deal:
        """The user's deal, after a step towards it where it is not there yet."""
        token = secrets.token_hex(16)
        try:
            deal = await self._claim_deal(claim, token)
            if deal.token != token:
                return deal
            change = await self._deal_step(deal)
            if change is not None:
                async with self._database.begin() as transaction:
                    await deals.record(transaction, deal, change)
                self._log_deal(deal, change)
        finally:
            async with self._database.begin() as transaction:
                await deals.release(transaction, token)
        async with self._database.read() as transaction:
            return await deals.get(transaction, claim.user_key)

    async def _claim_deal(self, claim: Publication, token: str) -> Deal:
        async with self._database.begin() as transaction:
            return await deals.claim(
                transaction,
                claim.user_key,
                token=token,
                now=self._now(),
                claim=self._waits.claim,
                lease=self._waits.lease,
            )

    async def _deal_step(self, deal: Deal) -> Change | None:
        """Adopt the open deal that bears the login, else make one; None when the claim was lost."""
        uncertain = deal.state is PublicationState.UNCERTAIN
        try:
            known = await self._open_deals(fresh=uncertain)
        except LookFailed as failure:
            await self._pause_after(failure.outcome)
            if uncertain:
                return self._unlooked(deal, failure)
            later = self._now() + self._waits.between_looks
            return Change(PublicationState.PENDING, later, reason=str(failure))
        found = known.get(deal.login)
        if uncertain:
            await self._pause_after(None)
            return after_looking(
                found, looks=deal.looks, reason=deal.reason, now=self._now(), waits=self._waits
            )
        if found is not None:
            return after_sending(Accepted(found), now=self._now(), waits=self._waits)
        return await self._make_deal(deal)

    async def _make_deal(self, deal: Deal) -> Change | None:
        await self._pipedrive.ready()
        leased = asyncio.get_running_loop().time()
        async with self._database.begin() as transaction:
            if not await deals.begin_sending(
                transaction, deal, now=self._now(), lease=self._waits.lease
            ):
                return None
        outcome = self._too_late(leased) or await self._pipedrive.create_deal(deal.login)
        if isinstance(outcome, Accepted):
            self._deals[deal.login] = outcome.id
        await self._pause_after(outcome)
        return after_sending(outcome, now=self._now(), waits=self._waits)

    async def _open_deals(self, *, fresh: bool) -> dict[str, int]:
        now = self._now()
        read_at = self._deals_read_at
        if fresh or read_at is None or now - read_at > DEALS_KNOWN_FOR:
            found: dict[str, int] = {}
            async for item in self._pipedrive.open_deals():
                found.setdefault(item.text, item.id)
            self._deals, self._deals_read_at = found, now
        return self._deals

    async def _deal_is_gone(self, deal_id: DealId) -> bool:
        try:
            return await self._pipedrive.deal_is_gone(deal_id)
        except LookFailed:
            return False

    def _too_late(self, leased: float) -> NotProcessed | None:
        """A process that was frozen since it took the lease must not send any more."""
        if asyncio.get_running_loop().time() - leased < self._waits.latest_start.total_seconds():
            return None
        return NotProcessed("this process was held up", timedelta(0), everyone=False)

    async def _record(self, claim: Publication, change: Change) -> None:
        async with self._database.begin() as transaction:
            ours = await publications.record(transaction, claim, change, self._now())
        if ours:
            self._count(claim, change)
            self._log_publication(claim, change)

    def _count(self, claim: Publication, change: Change) -> None:
        was_uncertain = claim.state is PublicationState.UNCERTAIN
        if was_uncertain and change.state is PublicationState.UNCERTAIN:
            return
        metrics.deliveries.labels(change.state).inc()
        if was_uncertain:
            found = change.state is PublicationState.PUBLISHED
            metrics.reconciled.labels("found" if found else "not_found").inc()
        if change.state is PublicationState.PUBLISHED and claim.appeared_at is not None:
            age = self._now() - claim.appeared_at
            # GitHub's clock may be ahead of ours; a negative figure would make the sum fall.
            metrics.creation_to_activity_seconds.observe(max(age.total_seconds(), 0))

    def _log_publication(self, claim: Publication, change: Change) -> None:
        bound = log.bind(
            login=claim.login,
            gist_id=claim.gist_id,
            filename=claim.filename,
            publication_id=claim.id,
            marker=claim.marker,
        )
        match change.state:
            case PublicationState.PUBLISHED:
                bound.info("publication.published", activity_id=change.accepted_id)
            case PublicationState.FAILED:
                bound.error("publication.failed", reason=change.reason)
            case PublicationState.UNCERTAIN:
                bound.warning("publication.uncertain", reason=change.reason, looks=change.looks)
            case _:
                bound.info("publication.waits", reason=change.reason, until=change.due_at)

    def _log_deal(self, deal: Deal, change: Change) -> None:
        event = f"deal.{'ready' if change.state is PublicationState.PUBLISHED else change.state}"
        log.info(event, login=deal.login, deal_id=change.accepted_id, reason=change.reason)

    async def _pause_after(self, outcome: Outcome | None) -> None:
        """Pause publishing where an outcome calls for it; None stands for a complete look."""
        pause = self._pause_of(outcome)
        if pause is None:
            return
        token_refused = isinstance(outcome, NotProcessed) and outcome.access
        async with self._database.begin() as transaction:
            await operation.pause(
                transaction,
                operation.PUBLISHING,
                until=pause.until,
                reason=pause.reason,
                credential=self._pipedrive.fingerprint if token_refused else None,
                cause=PauseCause.CREDENTIAL if token_refused else PauseCause.VENDOR,
                now=self._now(),
            )
        log.warning("publishing.paused", reason=pause.reason, until=pause.until)

    def _pause_of(self, outcome: Outcome | None) -> Pause | None:
        now = self._now()
        match outcome:
            case NotProcessed(reason=reason, pause=wait, everyone=True):
                self._unreached += 1
                wait = longer_pause(wait, self._unreached, at_most=max(wait, LONGEST_PAUSE))
                return Pause(now + wait, reason)
            case Ambiguous(reason=reason, pause=timedelta() as wait):
                return Pause(now + wait, reason)
            case Ambiguous(reason=reason):
                self._trouble += 1
                if self._trouble < TROUBLE:
                    return None
                wait = longer_pause(
                    CONNECT_PAUSE, self._trouble - TROUBLE + 1, at_most=LONGEST_PAUSE
                )
                return Pause(now + wait, f"{self._trouble} times in a row: {reason}")
            case _:
                self._trouble = self._unreached = 0
        remaining = self._pipedrive.daily_remaining
        if remaining is not None and remaining < DAILY_RESERVE:
            reason = f"Pipedrive's daily budget is used up but for {remaining} tokens"
            return Pause(now + DAILY_PAUSE, reason)
        return None
