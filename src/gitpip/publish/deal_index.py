"""Which open deal has a login as its title, found at a bounded cost.

A company can have thousands of deals, and a list shows 500 for 10 tokens. So the list is read one
page for each user who needs a deal, and what was read is kept; until it is complete, the search (20
tokens) answers. Later only what changed since is read, from the time by Pipedrive's own clock.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitpip.model import DealId
from gitpip.publish.answers import Item
from gitpip.publish.pipedrive import Pipedrive

KNOWN_FOR = timedelta(minutes=1)
"""So long after a complete reading nothing is read again."""
OVERLAP = timedelta(minutes=1)
"""Subtracted from the time of the last reading: a list may lag behind the writes."""


@dataclass(frozen=True)
class _Reading:
    """A list under way: what changed since `since` (None: all open deals), and how far it is."""

    since: datetime | None
    started_at: datetime | None
    """By Pipedrive's clock; None before the first page."""
    cursor: str | None


class DealIndex:
    """The open deals of one account, as far as they were read. `now` tells our own time (UTC)."""

    def __init__(self, pipedrive: Pipedrive, now: Callable[[], datetime]) -> None:
        self._pipedrive = pipedrive
        self._now = now
        self._forget()

    def _forget(self) -> None:
        self._read_under = self._pipedrive.fingerprint
        self._titles: dict[int, str] = {}
        self._by_login: defaultdict[str, set[int]] = defaultdict(set)
        self._reading = _Reading(None, None, None)
        self._complete_at: datetime | None = None

    async def find(self, login: str) -> DealId | None:
        """The open deal whose title is this login; the exact case first, then the oldest.

        Costs at most 30 tokens, and one for each deal that has the title. Raises LookFailed.
        """
        if self._read_under != self._pipedrive.fingerprint:
            # Another token may see other deals.
            self._forget()
        if not await self._up_to_date():
            for deal in await self._pipedrive.search_deals(login):
                self.note(deal)
        for deal_id in self._candidates(login):
            if await self._is_still(deal_id, login):
                return DealId(deal_id)
        return None

    def note(self, deal: Item) -> None:
        """Remember a deal as it was seen in a list, or made."""
        self.drop(deal.id)
        if deal.is_open:
            self._titles[deal.id] = deal.text
            self._by_login[deal.text.lower()].add(deal.id)

    def drop(self, deal_id: int) -> None:
        """Forget a deal that is not open any more."""
        title = self._titles.pop(deal_id, None)
        if title is not None:
            self._by_login[title.lower()].discard(deal_id)

    def _candidates(self, login: str) -> Iterable[int]:
        ids = self._by_login.get(login.lower(), set())
        return sorted(ids, key=lambda deal_id: (self._titles[deal_id] != login, deal_id))

    async def _is_still(self, deal_id: int, login: str) -> bool:
        deal = await self._pipedrive.deal(DealId(deal_id))
        if deal is None:
            self.drop(deal_id)
            return False
        self.note(deal)
        return deal.is_open and deal.text.lower() == login.lower()

    async def _up_to_date(self) -> bool:
        """Read one page further; True once everything up to now is known."""
        now = self._now()
        if self._complete_at is not None and now - self._complete_at <= KNOWN_FOR:
            return True
        reading = self._reading
        page = await self._pipedrive.deal_page(since=reading.since, cursor=reading.cursor)
        if reading.started_at is None:
            reading = replace(reading, started_at=self._pipedrive.now)
        for deal in page.items:
            self.note(deal)
        if page.cursor is not None:
            self._reading = replace(reading, cursor=page.cursor)
            return False
        if reading.started_at is None:
            # Without a time by Pipedrive's clock everything is read again next time.
            self._reading = _Reading(None, None, None)
        else:
            self._reading = _Reading(reading.started_at - OVERLAP, None, None)
        self._complete_at = now
        return True
