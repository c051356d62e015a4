"""Looks again at deals that were sent twice: a user with two of them is told.

None is deleted. Pipedrive does not say whether a deal is empty: mails, files and persons may be
under it, and nothing documents that they change the time of its last update.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from gitpip.model import DealId
from gitpip.observability.logging import get_logger
from gitpip.publish.looks import sent_since
from gitpip.publish.pipedrive.answers import Item
from gitpip.publish.pipedrive.client import Pipedrive
from gitpip.publish.pipedrive.deal_index import DealIndex
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import Vendor
from gitpip.store.database import Database
from gitpip.store.publications import second_deals
from gitpip.store.publications.second_deals import Watched
from gitpip.store.publications.second_sends import OF_DEALS

log = get_logger()


class DoubleDeals:
    """Finds users for whom gitpip made two deals. `now` tells our own time (UTC)."""

    def __init__(
        self,
        database: Database,
        pipedrive: Pipedrive,
        index: DealIndex,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._pipedrive = pipedrive
        self._index = index
        self._now = now

    async def look(self, watched: Sequence[Watched]) -> None:
        """Look once for deals of these users besides the one in use. Raises LookFailed."""
        await self._index.prepare()
        async with self._database.read() as transaction:
            account = await accounts.bound(transaction, Vendor.PIPEDRIVE)
        creators = account.creators if account else frozenset()
        others: dict[Watched, DealId | None] = dict.fromkeys(watched)
        since = sent_since(each.deal for each in watched)
        async for page in self._pipedrive.deals_since(since):
            # A person may well make a deal with this title.
            ours = [deal for deal in page.items if deal.creator_id in creators]
            for each in watched:
                others[each] = others[each] or await self._other(each, ours)
        for each, other in others.items():
            await self._conclude(each, other)

    async def _other(self, watched: Watched, listed: Sequence[Item]) -> DealId | None:
        for deal in listed:
            if deal.id != watched.deal.deal_id:
                for wanted in watched.spellings:
                    if await self._index.belongs(deal, wanted):
                        return DealId(deal.id)
        return None

    async def _conclude(self, watched: Watched, other: DealId | None) -> None:
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
