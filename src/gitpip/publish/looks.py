"""Looking for uncertain publications: one list of a deal's activities answers for all of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gitpip.errors import DatabaseUnavailable
from gitpip.model import Change, DealId, Publication, PublicationState
from gitpip.observability.logging import get_logger
from gitpip.publish import delivery
from gitpip.publish.activity import has_marker
from gitpip.publish.deals import MARGIN, attempt_of
from gitpip.publish.delivery import Accepted, Refused, Waits
from gitpip.publish.pauses import Pauses
from gitpip.publish.pipedrive.answers import Activity, LookFailed
from gitpip.publish.pipedrive.client import Pipedrive
from gitpip.publish.records import record, unexpected
from gitpip.publish.trouble import Kind, Request
from gitpip.store.database import Database
from gitpip.store.publications import outbox

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
        seen = await self._guarded(deal_id, claims)
        early = []
        for claim in claims:
            if claim.id not in seen.found and claim.due_at > started_at:
                early.append(claim.id)
            else:
                await self._record(claim, replace(seen, began=started_at))
        async with self._database.begin() as transaction:
            await outbox.release(transaction, claims[0].token or "", early)

    async def look_again(self, claim: Publication) -> Publication | None:
        """Look for what may have been sent before, right before it is sent once more.

        None if it must not be sent now: it was found, or could not be looked for. Otherwise the
        claim with the time of this look.
        """
        now = self._now()
        if claim.deal_id is None:
            # It was sent to another account, before a switch.
            return replace(claim, looked_at=now)
        if delivery.is_fresh(claim.looked_at, now):
            return claim
        seen = await self._guarded(claim.deal_id, [claim])
        if claim.id in seen.found:
            await self._record(claim, seen)
            return None
        if seen.failure is not None:
            reason = f"could not look for it before sending it again: {seen.failure}"
            later = delivery.retried(1, reason, now=self._now())
            await record(self._database, claim, replace(later, attempts=None), self._now())
            return None
        return replace(claim, looked_at=now)

    async def _guarded(self, deal_id: DealId, claims: Sequence[Publication]) -> "Seen":
        try:
            return await self._seen(deal_id, claims)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            log.exception("look.broken", deal_id=deal_id)
            return Seen({}, self._now(), unexpected(error))

    async def _seen(self, deal_id: DealId, claims: Sequence[Publication]) -> "Seen":
        request = self._pauses.request(Kind.READ, f"deal {deal_id}")
        missing = {claim.id: claim for claim in claims}
        found: dict[int, int] = {}
        at: datetime | None = None
        try:
            async for page in self._pipedrive.activities(deal_id, since=sent_since(claims)):
                # The first page was read first, and whatever is new stands on it.
                at = at or page.at or self._now()
                for claim in list(missing.values()):
                    mine = [item.id for item in page.items if is_it(claim, item)]
                    if mine:
                        found[claim.id] = min(mine)
                        del missing[claim.id]
                if not missing:
                    break
        except LookFailed as failure:
            # If the deal was deleted, its activities are too: nothing is there to be found.
            refused = isinstance(failure.outcome, Refused)
            gone = refused and await self._is_gone(deal_id)
            await self._pauses.after(failure.outcome, request)
            told = self._pipedrive.now or self._now()
            return Seen(found, at or told, None if gone else str(failure))
        await self._pauses.after(None, request)
        for publication, activity in list(found.items())[:1]:
            # Only the answer was lost: Pipedrive does process writes.
            write = Request(Kind.WRITE, f"publication {publication}")
            await self._pauses.after(Accepted(activity), write)
        return Seen(found, at or self._now(), None)

    async def _is_gone(self, deal_id: DealId) -> bool:
        try:
            return await self._pipedrive.deal(deal_id) is None
        except LookFailed:
            return False

    async def _record(self, claim: Publication, seen: "Seen") -> None:
        try:
            await record(self._database, claim, self._change(claim, seen), self._now())
        except DatabaseUnavailable:
            raise
        except Exception as error:
            log.exception("publication.broken", login=claim.login, publication_id=claim.id)
            broken = Seen({}, seen.at, unexpected(error))
            await record(self._database, claim, self._change(claim, broken), self._now())

    def _change(self, claim: Publication, seen: "Seen") -> Change:
        now = self._now()
        attempt = attempt_of(claim)
        found = seen.found.get(claim.id)
        if found is None and seen.failure is not None:
            return delivery.could_not_look(
                seen.failure, attempt, sent_at=claim.sent_at or now, now=now
            )
        change = delivery.after_looking(found, attempt, now=now, seen_at=seen.at, waits=self._waits)
        if change.state is PublicationState.PENDING:
            log.info("publication.absent", publication_id=claim.id, looks=claim.looks + 1)
        return replace(change, looked_at=change.looked_at and (seen.began or change.looked_at))


@dataclass(frozen=True)
class Seen:
    """What a list showed."""

    found: Mapping[int, int]
    """The ids of activities by those of publications."""
    at: datetime
    """By Pipedrive's clock; by ours if it does not tell."""
    failure: str | None
    """Why the list was not read to its end."""
    began: datetime | None = None
    """When the look began, by our clock."""


def is_it(claim: Publication, activity: Activity) -> bool:
    """Whether an activity is that of a publication."""
    return has_marker(claim.marker, subject=activity.text, note=activity.note)


def sent_since(claims: Iterable[Publication]) -> datetime | None:
    """From when, by Pipedrive's clock, activities can be those of the publications.

    None stands for all: where the time of a first request is not known.
    """
    times = [claim.sent_after for claim in claims]
    known = [time for time in times if time is not None]
    return min(known) - MARGIN if len(known) == len(times) else None
