"""The search for second deals of users whose deal was sent twice. They are only reported.

No deal is deleted. Pipedrive does not say whether a deal is empty: mails, files and persons may be
under it, and it does not document that they change the time of its last update.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from gitpip.model import DealId
from gitpip.observability.logging import get_logger
from gitpip.publish.activity_search import sent_since
from gitpip.publish.comparison import UNSETTLED_FOR
from gitpip.publish.destination import DealFinder, Destination, Item, Sign
from gitpip.store.accounts import accounts
from gitpip.store.database import Database
from gitpip.store.publications import second_deals
from gitpip.store.publications.second_deals import WatchedDeal
from gitpip.store.publications.second_sends import OF_DEALS
from gitpip.store.schema_accounts import Vendor

EARLIER = 2 * UNSETTLED_FOR
"""The time by which a deal can be older than our own request. A request sent until QUIET after a
database's first comparison may also have been sent before it, and the list may have lagged behind.
"""

log = get_logger()


class DoubleDeals:
    """Finds users with two deals made by gitpip. `now` returns our own time (UTC)."""

    def __init__(
        self,
        database: Database,
        destination: Destination,
        index: DealFinder,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._destination = destination
        self._index = index
        self._now = now

    async def look(self, watched: Sequence[WatchedDeal]) -> None:
        """Search once for deals of these users besides the one in use. Raises LookFailed."""
        await self._index.prepare()
        async with self._database.read() as transaction:
            account = await accounts.bound(transaction, Vendor.DESTINATION)
        creators = account.creators if account else frozenset()
        others: dict[WatchedDeal, DealId | None] = dict.fromkeys(watched)
        by_sign: defaultdict[Sign, set[WatchedDeal]] = defaultdict(set)
        for each in watched:
            for wanted in each.spellings:
                for sign in self._index.signs(wanted):
                    by_sign[sign].add(each)
        since = sent_since((each.deal for each in watched), EARLIER)
        async for page in self._destination.deals_since(since):
            for deal in page.items:
                # A person may well make a deal with this title.
                if deal.creator_id in creators:
                    for each in by_sign.get(self._index.sign(deal), ()):
                        if others[each] is None and await self._is_another(deal, each):
                            others[each] = DealId(deal.id)
        for each, other in others.items():
            await self._conclude(each, other)

    async def _is_another(self, deal: Item, watched: WatchedDeal) -> bool:
        """Return whether the deal is the user's, and not the one in use."""
        if deal.id == watched.deal.deal_id:
            return False
        return any([await self._index.belongs(deal, each) for each in watched.spellings])

    async def _conclude(self, watched: WatchedDeal, other: DealId | None) -> None:
        deal, now = watched.deal, self._now()
        async with self._database.begin() as transaction:
            news = False
            if other is None:
                await second_deals.forget(transaction, deal.user_key)
            else:
                news = await second_deals.note(transaction, deal.user_key, other, now)
            await OF_DEALS.looked(transaction, deal.user_key, watched.looks, now)
        if news:
            log.warning("deal.doubled", login=deal.login, deal_id=deal.deal_id, double_id=other)
