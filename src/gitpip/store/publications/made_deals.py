"""The deals that gitpip has made in the account that the rows belong to.

Only these can be deleted by an undo. A deal that was found by its title is not among them.
"""

from sqlalchemy import delete, insert

from gitpip.model import DealId, UserKey
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.publications.being_undone import bound_account_key
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_undo import made_deals


async def note(
    transaction: Transaction, user_key: UserKey, deal_id: DealId, title: str, value: float | None
) -> None:
    """Record that gitpip has made a user's deal with this title and value."""
    # A number that Pipedrive has given again, as after a reset of the account, is another deal.
    await forget(transaction, deal_id)
    account = await accounts.bound(transaction, Vendor.DESTINATION)
    await transaction.execute(
        insert(made_deals).values(
            account_key=account.key if account else accounts.NO_KEY,
            deal_id=deal_id,
            user_key=user_key,
            title=title,
            value=value,
        )
    )


async def forget(transaction: Transaction, deal_id: DealId) -> None:
    """Forget a deal that Pipedrive no longer has."""
    await transaction.execute(
        delete(made_deals).where(
            made_deals.c.deal_id == deal_id, made_deals.c.account_key == bound_account_key()
        )
    )
