"""The search for uncertain publications: one list of activities answers for many of them.

The list of all activities answers for uncertain publications of several deals at once, and only it
shows an activity that a person has moved to another deal. If it is too long, the list of each deal
answers. If it fails, the list of each deal shows what is present, and absence is not concluded.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from weakref import WeakValueDictionary

from gitpip.errors import OWN_FAULT, DatabaseUnavailable
from gitpip.model import Change, Deal, DealId, Publication, PublicationId, PublicationState
from gitpip.observability.logging import get_logger
from gitpip.publish import delivery
from gitpip.publish.activity import has_marker
from gitpip.publish.asked_twice import Read, asked_twice, is_young
from gitpip.publish.circuit_breaker import Request, RequestKind
from gitpip.publish.deals import CLOCK_MARGIN, attempt_of
from gitpip.publish.delivery import Accepted, Ambiguous, Denied, NotProcessed, Refused, Waits
from gitpip.publish.destination import UNREAD_ENTRIES, Activities, ListedActivity, LookFailed
from gitpip.publish.pauses import Channel
from gitpip.publish.records import record
from gitpip.publish.running_tasks import LOOKS_AT_ONCE
from gitpip.store.publications import awaited_looks
from gitpip.store.publications.delivered import PUBLICATIONS

PAGES_TO_CONCLUDE = 2
"""The most pages of the list of all activities read before something is sent again."""

RECENTLY_SENT = timedelta(days=1)
"""The age above which a publication is first searched for in its own deal: the list of all
activities since then would be long for all the others, too."""

ALL_ACTIVITIES = "all activities"

log = get_logger()


class ListOfAll(Enum):
    """The reason why the list of all activities did not answer, if it did not fail."""

    NOT_READ = 1
    UNCLEAR = 2
    """It is too long, or holds something that can't be read."""


class ActivitySearch:
    """Finds out whether uncertain publications arrived. `now` returns the time (UTC)."""

    def __init__(
        self,
        channel: Channel,
        *,
        waits: Waits,
        now: Callable[[], datetime],
    ) -> None:
        self._database = channel.database
        self._destination = channel.destination
        self._pauses = channel.pauses
        self._waits = waits
        self._now = now
        self._lists = asyncio.Semaphore(LOOKS_AT_ONCE)
        """The limit of lists read at once: twenty would be the whole window of a small plan."""
        self._turns: WeakValueDictionary[DealId, asyncio.Lock] = WeakValueDictionary()
        """Searches right before a second send, by deals: the next one may be answered by it."""

    async def look(self, claimed: Mapping[DealId | None, Sequence[Publication]]) -> None:
        """Search for claimed publications, by their deals, and record the result for each.

        A publication that is found is published. One that is not found changes only if its search
        is due.
        """
        started_at = self._now()
        everything = [claim for claims in claimed.values() for claim in claims]
        recent = [claim for claim in everything if self._is_recent(claim)]
        due = [claim for claim in recent if claim.due_at <= started_at]
        deals = len({claim.deal_id for claim in due})
        # By our clock, as the last answer may be old: if our clock is wrong, one list too many is
        # read.
        concludes = _Search(due, last=False).would_conclude(self._waits, started_at)
        shared = self._search(recent)
        of_all: ListOfAll | LookFailed = ListOfAll.NOT_READ
        if deals > 1 or concludes:
            seen = await self._of_all(shared, max(deals, PAGES_TO_CONCLUDE * concludes))
            if isinstance(seen, ListReading):
                # If Pipedrive asked to wait, the deals' lists would be refused, too.
                answered = everything if seen.failure else recent
                await self._settle(answered, seen, started_at)
                left = {claim.id for claim in everything} - {claim.id for claim in answered}
                everything = [claim for claim in everything if claim.id in left]
            else:
                of_all = seen
                # Publications that the shared list has shown are not searched for again.
                found = ListReading(shared.found, shared.at, None)
                known = [claim for claim in everything if claim.id in shared.found]
                await self._settle(known, found, started_at)
                everything = [claim for claim in everything if claim.id not in shared.found]
        await self._look_in_deals(everything, started_at, of_all)

    def _is_recent(self, claim: Publication) -> bool:
        """Return whether a list of all activities since its first request can be short."""
        # By our clock before Pipedrive's is known: if ours is wrong, other lists are read.
        now = self._destination.now or self._now()
        return claim.sent_after is not None and now - claim.sent_after <= RECENTLY_SENT

    async def _look_in_deals(
        self, claims: Sequence[Publication], started_at: datetime, of_all: ListOfAll | LookFailed
    ) -> None:
        """Read the list of each deal in which a search is due.

        Files that were sent to no deal are searched for in the list of all activities, to its end.
        """
        by_deal: defaultdict[DealId | None, list[Publication]] = defaultdict(list)
        for claim in claims:
            by_deal[claim.deal_id].append(claim)
        due = {claim.deal_id for claim in claims if claim.due_at <= started_at}
        pauses = self._pauses.pause_count
        try:
            async with asyncio.TaskGroup() as tasks:
                for deal_id, mine in by_deal.items():
                    if deal_id in due:
                        # The shared list was not read for what is old.
                        old = not all(map(self._is_recent, mine))
                        known = ListOfAll.NOT_READ if old else of_all
                        tasks.create_task(self._look_in(mine, started_at, known, pauses))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        await self._release([claim for claim in claims if claim.deal_id not in due])

    async def _look_in(
        self,
        claims: Sequence[Publication],
        started_at: datetime,
        of_all: ListOfAll | LookFailed,
        pauses: int,
    ) -> None:
        """Search for publications of one deal, unless an earlier search paused publishing."""
        async with self._lists:
            deal_id = claims[0].deal_id
            if self._pauses.pause_count != pauses:
                await self._release(claims)
                return
            seen = await self._guarded(deal_id, self._search(claims), of_all)
        await self._settle(claims, seen, started_at)

    def _search(self, claims: Sequence[Publication]) -> "_Search":
        now = self._now()
        young = any(is_young(claim.sent_at, now) for claim in claims)
        return _Search(claims, last=False, asks_twice=young)

    async def _settle(
        self, claims: Sequence[Publication], seen: "ListReading", started_at: datetime
    ) -> None:
        early = []
        for claim in claims:
            if claim.id not in seen.found and claim.due_at > started_at:
                early.append(claim)
            else:
                await self._record(claim, replace(seen, began=started_at))
        await self._release(early)

    async def _release(self, claims: Sequence[Publication]) -> None:
        if claims:
            async with self._database.begin() as transaction:
                ids = [claim.id for claim in claims]
                await PUBLICATIONS.release(transaction, claims[0].token or "", ids)

    async def look_again(self, claim: Publication, deal_id: DealId | None) -> Publication | None:
        """Search for what may have been sent before, right before it is sent again, to a deal.

        Returns None if it must not be sent now, because it was found or the search failed.
        Otherwise returns the claim with the time of this search, which answers for all files that
        wait for a search of the same deal.
        """
        if delivery.is_fresh(claim.looked_at, self._now()):
            return claim
        if claim.deal_id is None:
            return await self._look_again(claim, deal_id, {})
        turn = self._turns.setdefault(claim.deal_id, asyncio.Lock())
        async with turn:
            now = self._now()
            async with self._database.read() as transaction:
                waiting = await awaited_looks.of_deal(
                    transaction, claim, now, earlier=RECENTLY_SENT
                )
            present = waiting.get(claim.id, claim)
            if delivery.is_fresh(present.looked_at, now):
                return replace(claim, looked_at=present.looked_at)
            return await self._look_again(claim, deal_id, waiting)

    async def _look_again(
        self,
        claim: Publication,
        deal_id: DealId | None,
        waiting: Mapping[PublicationId, Publication],
    ) -> Publication | None:
        now = self._now()
        wanted = list({**waiting, claim.id: claim}.values())
        search = _Search(wanted, last=True, asks_twice=is_young(claim.looked_at, now))
        seen = await self._of_all(search, PAGES_TO_CONCLUDE)
        if not isinstance(seen, ListReading):
            search = _Search(wanted, last=True, asks_twice=search.asks_twice)
            seen = await self._guarded(claim.deal_id, search, seen)
        if claim.id in seen.found:
            await self._record(replace(claim, deal_id=claim.deal_id or deal_id), seen)
            return None
        if seen.failure is not None:
            later = delivery.could_not_look_again(
                seen.failure,
                looked_at=claim.looked_at,
                now=self._now(),
                ends_with_pause=seen.ends_with_pause,
            )
            await record(self._database, claim, later, self._now())
            return None
        absent = [each for number, each in waiting.items() if number not in seen.found]
        async with self._database.begin() as transaction:
            await awaited_looks.answered(transaction, absent, now)
        return replace(claim, looked_at=now)

    async def _of_all(
        self, search: "_Search", pages: int
    ) -> "ListReading | ListOfAll | LookFailed":
        """Return what the list of all activities shows, or why it does not answer for everything.

        If Pipedrive asked to wait, that is the answer: other lists would be refused, too.
        """
        request = self._pauses.request(RequestKind.READ, ALL_ACTIVITIES)
        try:
            if not await _asked_twice(search, lambda: self._is_answered_by_all(search, pages)):
                await self._tell(search, request)
                return ListOfAll.UNCLEAR
        except DatabaseUnavailable:
            raise
        except LookFailed as failure:
            waits = isinstance(failure.outcome, NotProcessed)
            return self._failed(search, failure) if waits else failure
        except Exception:
            log.exception("look.broken", deal_id=None)
            return LookFailed(Ambiguous(OWN_FAULT))
        return await self._succeeded(search, request)

    async def _is_answered_by_all(self, search: "_Search", pages: int) -> bool:
        """Return whether the list of all activities, read for that many pages, answers everything.

        Raises LookFailed.
        """
        since = sent_since(search.missing.values())
        if since is None:
            return False
        request = self._pauses.request(RequestKind.READ, ALL_ACTIVITIES)
        try:
            async for page in self._destination.activities(None, since=since):
                pages -= 1
                search.take_in(page)
                if not search.missing:
                    return True
                # An entry that can't be read delays only those of its deal: the deals' lists show
                # it.
                if page.is_last or search.unread or pages <= 0:
                    await self._pauses.after(None, request)
                    return page.is_last and not search.unread
        except LookFailed as failure:
            raise await self._pauses.look_failed(failure, request) from failure
        return False

    async def _guarded(
        self, deal_id: DealId | None, search: "_Search", of_all: ListOfAll | LookFailed
    ) -> "ListReading":
        """Return what the lists show for one deal, after the list of all did not answer."""
        try:
            return await self._seen(deal_id, search, of_all)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("look.broken", deal_id=deal_id)
            return ListReading({}, None, OWN_FAULT)

    async def _seen(
        self, deal_id: DealId | None, search: "_Search", of_all: ListOfAll | LookFailed
    ) -> "ListReading":
        about = ALL_ACTIVITIES if deal_id is None else f"deal {deal_id}"
        request = self._pauses.request(RequestKind.READ, about, beside=LOOKS_AT_ONCE)
        unproved = None
        try:
            if deal_id is None:
                # It was sent to no deal, or the deal is unknown after a switch of the account and
                # back.
                await self._read_list(None, search)
            else:
                unproved = await self._read(deal_id, search, of_all)
        except LookFailed as failure:
            return self._failed(search, await self._pauses.look_failed(failure, request))
        seen = await self._succeeded(search, request)
        return self._failed(search, unproved) if unproved else seen

    def _failed(self, search: "_Search", failure: LookFailed) -> "ListReading":
        return ListReading(
            search.found, search.at, str(failure), ends_with_pause=failure.ends_with_pause
        )

    async def _succeeded(self, search: "_Search", request: Request) -> "ListReading":
        await self._pauses.after(None, request)
        await self._tell(search, request)
        return ListReading(search.found, search.at, None)

    async def _tell(self, search: "_Search", request: Request) -> None:
        """Report each activity that was found as an accepted write: only its answer was lost."""
        for publication, activity in search.found.items():
            write = replace(request, kind=RequestKind.WRITE, subject=f"publication {publication}")
            await self._pauses.after(Accepted(activity), write)

    async def _read(
        self, deal_id: DealId, search: "_Search", of_all: ListOfAll | LookFailed
    ) -> LookFailed | None:
        """Read the deal's list, and before absence is concluded the list of all activities.

        The list of all is only read if it can show more. Returns why absence can't be concluded, if
        it failed. A person may have moved an activity. If two deals are merged, the activities of
        the merged one move to the other.
        """
        try:
            await _asked_twice(search, lambda: self._read_list(deal_id, search))
        except LookFailed as failure:
            if not isinstance(failure.outcome, Refused) or await self._is_open(deal_id):
                raise
        else:
            if not search.would_conclude(self._waits, search.at):
                return None
            if isinstance(of_all, LookFailed):
                return of_all
            if of_all is ListOfAll.NOT_READ:
                try:
                    if await self._is_answered_by_all(search, PAGES_TO_CONCLUDE):
                        return None
                except LookFailed as failure:
                    return failure
            if await _asked_twice(search, lambda: self._is_open(deal_id)):
                return None
        await _asked_twice(search, lambda: self._read_list(None, search))
        return None

    async def _read_list(self, deal_id: DealId | None, search: "_Search") -> None:
        since = sent_since(search.missing.values())
        async for page in self._destination.activities(deal_id, since=since):
            search.take_in(page)
            if not search.missing:
                return
        if search.unread:
            raise LookFailed(UNREAD_ENTRIES)

    async def _is_open(self, deal_id: DealId) -> bool:
        """Return whether a deal can be seen and is open. Raises LookFailed if that is unknown."""
        try:
            deal = await self._destination.deal(deal_id)
        except LookFailed as failure:
            if isinstance(failure.outcome, Refused | Denied):
                return False
            raise
        return deal is not None and deal.is_open

    async def _record(self, claim: Publication, seen: "ListReading") -> None:
        try:
            await record(self._database, claim, self._change(claim, seen), self._now())
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("publication.broken", login=claim.login, publication_id=claim.id)
            broken = ListReading({}, seen.at, OWN_FAULT)
            await record(self._database, claim, self._change(claim, broken), self._now())

    def _change(self, claim: Publication, seen: "ListReading") -> Change:
        now = self._now()
        attempt = attempt_of(claim)
        found = seen.found.get(claim.id)
        if found is None and seen.failure is not None:
            return delivery.could_not_look(
                seen.failure,
                attempt,
                sent_at=claim.sent_at or now,
                now=now,
                ends_with_pause=seen.ends_with_pause,
            )
        change = delivery.after_looking(found, attempt, now=now, seen_at=seen.at, waits=self._waits)
        if change.state is PublicationState.PENDING:
            log.info("publication.absent", publication_id=claim.id, looks=claim.looks + 1)
        return replace(change, looked_at=change.looked_at and (seen.began or change.looked_at))


@dataclass(frozen=True)
class ListReading:
    """The result of reading a list."""

    found: Mapping[int, int]
    """The ids of activities found, by the ids of their publications."""
    at: datetime | None
    """The time by Pipedrive's clock, or None if it does not tell."""
    failure: str | None
    """The reason why the list was not read to its end."""
    began: datetime | None = None
    """The time at which the search began, by our clock."""
    ends_with_pause: bool = False
    """Whether only the pause of all publishing delays the next search."""


class _Search:
    """The publications searched for, and what the lists have shown of them so far."""

    def __init__(
        self, claims: Sequence[Publication], last: bool, *, asks_twice: bool = False
    ) -> None:
        """`last` says that what is not found is sent again."""
        self.missing = {claim.id: claim for claim in claims}
        self.found: dict[int, int] = {}
        self.at: datetime | None = None
        """The time at which the first page was read, by Pipedrive's clock, or None if that is not
        told."""
        self._begun = False
        self.unread = 0
        """The number of entries that could not be read, any of which may be the missing one."""
        self._last = last
        self.asks_twice = asks_twice
        """Whether a list or a deal is asked for once more where the answer says nothing."""

    def take_in(self, page: Activities) -> None:
        """Search one more page for what is missing."""
        if not self._begun:
            # The first page was read first, and whatever is new stands on it.
            self._begun, self.at = True, page.at
        self.unread += page.unread
        for claim in list(self.missing.values()):
            mine = [item.id for item in page.items if is_it(claim, item)]
            if mine:
                self.found[claim.id] = min(mine)
                del self.missing[claim.id]

    def would_conclude(self, waits: Waits, at: datetime | None) -> bool:
        """Return whether a list without it, read `at` this time (Pipedrive's clock), shows absence.

        Before a second send, a list without a time is enough: it was read after the one that has
        shown absence.
        """
        if self._last:
            return bool(self.missing)
        return at is not None and any(
            delivery.is_absent(claim.in_flight_until, seen_at=at, waits=waits)
            for claim in self.missing.values()
        )


async def _asked_twice(search: _Search, read: Callable[[], Awaitable[Read]]) -> Read:
    """Read, and once more where the answer says nothing, unless an earlier list said nothing."""
    try:
        return await asked_twice(read, twice=search.asks_twice)
    except LookFailed:
        search.asks_twice = False
        raise


def is_it(claim: Publication, activity: ListedActivity) -> bool:
    """Return whether an activity is that of a publication. One that an undo deleted is not."""
    if activity.id == claim.deleted_activity_id:
        return False
    return has_marker(claim.marker, subject=activity.text, note=activity.note)


def sent_since(
    claims: Iterable[Publication | Deal], earlier: timedelta = CLOCK_MARGIN
) -> datetime | None:
    """Return the time, by Pipedrive's clock, since which activities or deals can be those sent.

    They can be `earlier` by that much than the time noted before the first request.

    None stands for all: the time of a first request is not known.
    """
    times = [claim.sent_after for claim in claims]
    known = [time for time in times if time is not None]
    return min(known) - earlier if len(known) == len(times) else None
