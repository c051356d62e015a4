"""The index of open deals, which finds the deal of a user at a limited cost.

A company can have thousands of deals, and a list shows 500 for 10 tokens. So one page of the list
is read for each user who needs a deal, and what was read is kept. Until the list is complete, or if
something in it can't be read, the search (20 tokens) answers. After that, only what has changed is
read, from the time by Pipedrive's own clock.

A deal is a user's if our custom field holds the user's GitHub id. Without that field, its title
must be the login, or the text that the template makes of it. Logins change hands: a deal that
belongs to one user, by its field or by our own rows, is given to no other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from gitpip.model import Deal, DealId
from gitpip.publish.catalog import DealFields
from gitpip.publish.delivery import Outcome
from gitpip.publish.destination import (
    UNREAD_ENTRIES,
    DealNotRead,
    Item,
    ListPage,
    LookFailed,
    Sign,
    Turn,
)
from gitpip.publish.pipedrive.deal_field import DealField, FieldsApi
from gitpip.publish.pipedrive.lists import Hits
from gitpip.store.database import Database
from gitpip.store.publications import deals

KNOWN_FOR = timedelta(minutes=1)
"""The time after a complete reading in which nothing is read again."""
READING_OVERLAP = timedelta(minutes=1)
"""Subtracted from the time of the last reading: a list may lag behind the writes."""


@dataclass(frozen=True)
class _Reading:
    """A list that is being read: deals changed since `since` (None: all open deals)."""

    since: datetime | None
    started_at: datetime | None
    """The time by Pipedrive's clock, or None before the first page."""
    cursor: str | None


class DealsApi(FieldsApi, Protocol):
    """The part of the client that deals need."""

    fingerprint: str
    now: datetime | None

    async def deal(self, deal_id: DealId) -> Item | None:
        """Return a deal as it is now, or None if it was deleted."""

    async def deal_page(self, *, since: datetime | None, cursor: str | None) -> ListPage:
        """Return a page of the deals, oldest first."""

    async def search_deals(self, title: str) -> Hits:
        """Return open deals with this title in any case."""

    async def create_deal(
        self,
        title: str,
        holder: str | None = None,
        *,
        fields: DealFields,
        turn: Turn | None = None,
    ) -> Outcome:
        """Make an open deal; Accepted holds its id."""


class DealIndex:
    """The open deals of one account, as far as they were read. `now` returns our own time (UTC)."""

    def __init__(
        self, database: Database, pipedrive: DealsApi, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._pipedrive = pipedrive
        self._now = now
        self._field = DealField(database, pipedrive, now)
        self._forget()

    def _forget(self) -> None:
        self._read_under = (self._pipedrive.fingerprint, self._pipedrive.deal_field)
        self._deals: dict[int, Item] = {}
        self._by_title: defaultdict[str, set[int]] = defaultdict(set)
        self._by_github_id: defaultdict[str, set[int]] = defaultdict(set)
        self._reading = _Reading(None, None, None)
        self._complete_at: datetime | None = None
        self._unread = False
        """Whether a page held something that can't be read: it may be the deal of any user."""

    async def prepare(self) -> None:
        """Learn which custom field holds the users. Raises LookFailed if that must wait."""
        await self._field.prepare()

    async def find(self, wanted: Deal, titles: Sequence[str]) -> Item | None:
        """Return the open deal of a user: by our field, or by the first of these titles found.

        If several match, it takes the one with the exact case, then the oldest. Costs at most 10
        tokens, 20 for each title, and one for each deal that may be it. Raises LookFailed.
        """
        await self.prepare()
        if self._read_under != (self._pipedrive.fingerprint, self._pipedrive.deal_field):
            # Another token may see other deals, and of the custom fields only ours is kept.
            self._forget()
        unread = 0
        if not await self._up_to_date():
            for title in titles:
                found = await self._pipedrive.search_deals(title)
                unread += found.unread
                for deal in found.items:
                    self.note(deal)
        for deal_id in self._candidates(wanted, titles):
            if (mine := await self._still(deal_id, wanted, titles)) is not None:
                return mine
        if unread:
            raise LookFailed(UNREAD_ENTRIES)  # this may be the deal, so no second one is made
        return None

    async def create(self, wanted: Deal, title: str, fields: DealFields, turn: Turn) -> Outcome:
        """Make a user's deal, with GitHub's id if the account has our field."""
        holder = self._field.value(wanted.github_id)
        return await self._pipedrive.create_deal(title, holder, fields=fields, turn=turn)

    async def belongs(self, deal: Item, wanted: Deal) -> bool:
        """Return whether a deal belongs to this user only: by our field, or the title as sent."""
        if not deal.is_open or self.sign(deal) not in self.signs(wanted):
            return False
        return not await self._belongs_to_another(DealId(deal.id), wanted)

    def sign(self, deal: Item) -> Sign:
        """Return the sign of whose deal it is: the holder in our field, or else the title."""
        holder = self._field.holder(deal)
        return (None, deal.text.lower()) if holder is None else (holder, None)

    def signs(self, wanted: Deal) -> frozenset[Sign]:
        """Return the signs that a deal of this user can have."""
        title: Sign = (None, wanted.sent_title.lower())
        value = self._field.value(wanted.github_id)
        return frozenset({title} if value is None else {title, (value, None)})

    async def _belongs_to_another(self, deal_id: DealId, wanted: Deal) -> bool:
        async with self._database.read() as transaction:
            owners = await deals.owners(transaction, [deal_id])
            if any(owner != wanted.user_key for owner in owners.get(deal_id, ())):
                return True
            deal = self._deals.get(deal_id)
            if deal is None or self._field.holder(deal) is not None:
                return False
            # This may be one that another user's lost request has made.
            return await deals.is_expected(transaction, deal.text, besides=wanted.user_key)

    def note(self, deal: Item) -> None:
        """Remember a deal as it was seen in a list, or made."""
        self.drop(deal.id)
        if deal.is_open:
            self._deals[deal.id] = self._field.without_others(deal)
            self._by_title[deal.text.lower()].add(deal.id)
            if holder := self._field.holder(deal):
                self._by_github_id[holder].add(deal.id)

    def drop(self, deal_id: int) -> None:
        """Forget a deal that is no longer open."""
        deal = self._deals.pop(deal_id, None)
        if deal is not None:
            self._by_title[deal.text.lower()].discard(deal_id)
            if holder := self._field.holder(deal):
                self._by_github_id[holder].discard(deal_id)

    def _candidates(self, wanted: Deal, titles: Sequence[str]) -> Iterable[int]:
        by_id = self._by_github_id.get(self._field.value(wanted.github_id) or "", set())
        found = sorted(by_id)
        for title in titles:
            titled = sorted(self._by_title.get(title.lower(), set()).difference(found))
            exact = [deal_id for deal_id in titled if self._deals[deal_id].text == title]
            found += [*exact, *(deal_id for deal_id in titled if deal_id not in exact)]
        return found

    async def _still(self, deal_id: int, wanted: Deal, titles: Sequence[str]) -> Item | None:
        """Return a deal as it is now, or None if it is no longer the user's."""
        try:
            deal = await self._pipedrive.deal(DealId(deal_id))
        except LookFailed as failure:
            raise DealNotRead(deal_id, failure) from failure
        if deal is None:
            self.drop(deal_id)
            return None
        self.note(deal)
        mine = any([await self.belongs(deal, replace(wanted, title=one)) for one in titles])
        return deal if mine else None

    async def _up_to_date(self) -> bool:
        """Read one page further; return True once everything up to now is known."""
        now = self._now()
        age = None if self._complete_at is None else now - self._complete_at
        # If our clock was set back, the reading counts as old.
        if age is not None and timedelta(0) <= age <= KNOWN_FOR:
            return not self._unread
        reading = self._reading
        page = await self._pipedrive.deal_page(since=reading.since, cursor=reading.cursor)
        if reading.started_at is None:
            reading = replace(reading, started_at=self._pipedrive.now)
        for deal in page.items:
            self.note(deal)
        self._unread = self._unread or page.unread > 0
        if page.cursor is not None:
            self._reading = replace(reading, cursor=page.cursor)
            return False
        if reading.started_at is None:
            # Without a time by Pipedrive's clock, everything is read again next time.
            self._reading = _Reading(None, None, None)
        else:
            self._reading = _Reading(reading.started_at - READING_OVERLAP, None, None)
        self._complete_at = now
        return not self._unread
