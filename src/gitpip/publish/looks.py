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
from gitpip.publish.delivery import Accepted, Denied, Refused, Waits
from gitpip.publish.pauses import Pauses
from gitpip.publish.pipedrive.answers import Activity, LookFailed
from gitpip.publish.pipedrive.client import Activities, Pipedrive
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
        seen = await self._guarded(claim.deal_id, [claim], last=True)
        if claim.id in seen.found:
            await self._record(claim, seen)
            return None
        if seen.failure is not None:
            later = delivery.could_not_look_again(
                seen.failure, sent_at=claim.sent_at, now=self._now()
            )
            await record(self._database, claim, later, self._now())
            return None
        return replace(claim, looked_at=now)

    async def _guarded(
        self, deal_id: DealId, claims: Sequence[Publication], *, last: bool = False
    ) -> "Seen":
        search = _Search(claims, last)
        try:
            return await self._seen(deal_id, search)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            log.exception("look.broken", deal_id=deal_id)
            return Seen({}, self._now(), unexpected(error))

    async def _seen(self, deal_id: DealId, search: "_Search") -> "Seen":
        request = self._pauses.request(Kind.READ, f"deal {deal_id}")
        try:
            await self._read(deal_id, search)
        except LookFailed as failure:
            await self._pauses.after(failure.outcome, request)
            told = self._pipedrive.now or self._now()
            return Seen(search.found, search.at or told, str(failure))
        await self._pauses.after(None, request)
        for publication, activity in list(search.found.items())[:1]:
            # Only the answer was lost: Pipedrive does process writes.
            write = Request(Kind.WRITE, f"publication {publication}")
            await self._pauses.after(Accepted(activity), write)
        return Seen(search.found, search.at or self._now(), None)

    async def _read(self, deal_id: DealId, search: "_Search") -> None:
        """Read the deal's list; before absence is concluded, that of all deals if it is not open.

        Where two deals are merged, the activities of the one that goes move to the other.
        """
        try:
            await self._read_list(deal_id, search)
        except LookFailed as failure:
            if not isinstance(failure.outcome, Refused) or await self._is_open(deal_id):
                raise
        else:
            if not search.would_conclude(self._waits) or await self._is_open(deal_id):
                return
        await self._read_list(None, search)

    async def _read_list(self, deal_id: DealId | None, search: "_Search") -> None:
        since = sent_since(search.missing.values())
        async for page in self._pipedrive.activities(deal_id, since=since):
            search.take_in(page, self._now())
            if not search.missing:
                break

    async def _is_open(self, deal_id: DealId) -> bool:
        """Whether a deal can be seen and is open. Raises LookFailed when that can't be learned."""
        try:
            deal = await self._pipedrive.deal(deal_id)
        except LookFailed as failure:
            if isinstance(failure.outcome, Refused | Denied):
                return False
            raise
        return deal is not None and deal.is_open

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


class _Search:
    """What the lists have shown so far of the publications that are looked for."""

    def __init__(self, claims: Sequence[Publication], last: bool) -> None:
        """With `last`, what is not found is sent again."""
        self.missing = {claim.id: claim for claim in claims}
        self.found: dict[int, int] = {}
        self.at: datetime | None = None
        """When the first page was read, by Pipedrive's clock."""
        self._last = last

    def take_in(self, page: Activities, now: datetime) -> None:
        """Look for what is missing on one more page."""
        # The first page was read first, and whatever is new stands on it.
        self.at = self.at or page.at or now
        for claim in list(self.missing.values()):
            mine = [item.id for item in page.items if is_it(claim, item)]
            if mine:
                self.found[claim.id] = min(mine)
                del self.missing[claim.id]

    def would_conclude(self, waits: Waits) -> bool:
        """Whether something is taken for absent unless another list shows it."""
        at = self.at
        return at is not None and any(
            self._last or delivery.is_absent(claim.in_flight_until, seen_at=at, waits=waits)
            for claim in self.missing.values()
        )


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
