"""Users whose deal was sent twice, and users with two deals: gitpip leaves both there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from gitpip.model import Deal, DealId, UserKey
from gitpip.store.database import Transaction
from gitpip.store.publications import deals
from gitpip.store.publications.permission import Present
from gitpip.store.publications.second_sends import OF_DEALS, deal_can_be_looked_at
from gitpip.store.schema import deals as deal_rows
from gitpip.store.schema_publishing import deal_doubles, second_deals


@dataclass(frozen=True)
class WatchedDeal:
    """A deal that is searched for again, and the number of searches so far."""

    deal: Deal
    looks: int
    first_title: str | None
    """The title of the first request, if there was one."""

    @property
    def spellings(self) -> tuple[Deal, ...]:
        """The deal as each request has sent it."""
        return self.deal, replace(self.deal, title=self.first_title or self.deal.title)


async def watch(transaction: Transaction, claim: Deal, now: datetime) -> None:
    """Search for a deal again from now on, as it is sent; `claim` is the deal before."""
    await OF_DEALS.begin(transaction, claim.user_key, now)
    first = func.coalesce(second_deals.c.title, claim.title)
    await transaction.execute(
        update(second_deals).where(second_deals.c.user_key == claim.user_key).values(title=first)
    )


async def due(transaction: Transaction, present: Present) -> Sequence[WatchedDeal]:
    """Return the watched deals for which a search is due; at most 500."""
    rows = await transaction.execute(
        select(second_deals)
        .join(deal_rows, deal_rows.c.user_key == second_deals.c.user_key)
        .where(deal_can_be_looked_at(present.mode), second_deals.c.due_at <= present.now)
        .order_by(second_deals.c.due_at)
        .limit(500)
    )
    watched = {UserKey(row.user_key): row for row in rows}
    of_users = await deals.of_users(transaction, watched)
    return [WatchedDeal(of_users[key], row.looks, row.title) for key, row in watched.items()]


async def note(transaction: Transaction, user_key: UserKey, other: DealId, now: datetime) -> bool:
    """Record that a user has this deal, too; return False if that is known."""
    mine = deal_doubles.c.user_key == user_key
    known = await transaction.scalar(select(deal_doubles.c.deal_id).where(mine))
    if known == other:
        return False
    await forget(transaction, user_key)
    await transaction.execute(
        insert(deal_doubles).values(user_key=user_key, deal_id=other, found_at=now)
    )
    return True


async def forget(transaction: Transaction, user_key: UserKey) -> None:
    """Delete the record that a user has two deals."""
    await transaction.execute(delete(deal_doubles).where(deal_doubles.c.user_key == user_key))
