"""Looking for uncertain publications: one list of a deal's activities answers for all of them."""

from collections.abc import Callable, Sequence
from datetime import datetime

from gitpip.errors import DatabaseUnavailable
from gitpip.model import Change, DealId, Publication, PublicationState
from gitpip.publish import delivery
from gitpip.publish.activity import bears_marker
from gitpip.publish.answers import LookFailed
from gitpip.publish.deals import CLOCKS_APART, attempt_of
from gitpip.publish.delivery import Accepted, Refused, Waits
from gitpip.publish.pauses import Pauses
from gitpip.publish.pipedrive import Pipedrive
from gitpip.publish.records import record, unexpected
from gitpip.publish.trouble import Kind, Request
from gitpip.store import outbox
from gitpip.store.database import Database
from gitpip.telemetry import get_logger

log = get_logger()


class Looks:
    """Finds out what became of uncertain publications. `now` tells the time (UTC)."""

    def __init__(
        self,
        database: Database,
        pipedrive: Pipedrive,
        pauses: Pauses,
        *,
        waits: Waits,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._pipedrive = pipedrive
        self._pauses = pauses
        self._waits = waits
        self._now = now

    async def look(self, deal_id: DealId, claims: Sequence[Publication]) -> None:
        """Look for claimed publications in their deal, and record what that says of each.

        One that is found is published. One that is not found is changed only if its look is due.
        """
        started_at = self._now()
        try:
            found, failure = await self._found(deal_id, claims)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            log.exception("look.broken", deal_id=deal_id)
            found, failure = {}, unexpected(error)
        early = []
        for claim in claims:
            if claim.id not in found and claim.due_at > started_at:
                early.append(claim.id)
            else:
                await self._record(claim, found.get(claim.id), failure)
        async with self._database.begin() as transaction:
            await outbox.release(transaction, claims[0].token or "", early)

    async def _found(
        self, deal_id: DealId, claims: Sequence[Publication]
    ) -> tuple[dict[int, int], str | None]:
        """The ids of activities by those of publications, and why the look was not complete."""
        request = Request(Kind.READ, f"deal {deal_id}")
        missing = {claim.id: claim for claim in claims}
        found: dict[int, int] = {}
        since = min(claim.sent_at or self._now() for claim in claims) - CLOCKS_APART
        try:
            async for item in self._pipedrive.activities(deal_id, since=since):
                for claim in list(missing.values()):
                    if bears_marker(claim.marker, subject=item.text, note=item.note):
                        found[claim.id] = item.id
                        del missing[claim.id]
                if not missing:
                    break
        except LookFailed as failure:
            # If the deal was deleted, its activities are too: nothing is there to be found.
            refused = isinstance(failure.outcome, Refused)
            gone = refused and await self._is_gone(deal_id)
            await self._pauses.after(failure.outcome, request)
            return found, None if gone else str(failure)
        await self._pauses.after(None, request)
        for publication, activity in list(found.items())[:1]:
            # Only the answer was lost: Pipedrive does process writes.
            write = Request(Kind.WRITE, f"publication {publication}")
            await self._pauses.after(Accepted(activity), write)
        return found, None

    async def _is_gone(self, deal_id: DealId) -> bool:
        try:
            return await self._pipedrive.deal(deal_id) is None
        except LookFailed:
            return False

    async def _record(self, claim: Publication, found: int | None, failure: str | None) -> None:
        try:
            await record(self._database, claim, self._change(claim, found, failure), self._now())
        except DatabaseUnavailable:
            raise
        except Exception as error:
            log.exception("publication.broken", login=claim.login, publication_id=claim.id)
            reason = unexpected(error)
            await record(self._database, claim, self._change(claim, None, reason), self._now())

    def _change(self, claim: Publication, found: int | None, failure: str | None) -> Change:
        now, waits = self._now(), self._waits
        attempt = attempt_of(claim, waits)
        if found is None and failure is not None:
            return delivery.could_not_look(
                failure, attempt, sent_at=claim.sent_at or now, now=now, waits=waits
            )
        change = delivery.after_looking(found, attempt, now=now, waits=waits)
        if change.state is PublicationState.PENDING:
            log.info("publication.absent", publication_id=claim.id, looks=delivery.LOOKS)
        return change
