"""The company that Pipedrive's token belongs to, for links to its pages."""

from sqlalchemy import select

from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import Vendor
from gitpip.store.database import Transaction
from gitpip.store.schema_status import pipedrive_company

ROW = 1


async def domain(transaction: Transaction) -> str | None:
    """The part before .pipedrive.com; None before it was learned, or if Pipedrive names none."""
    if account := await accounts.bound(transaction, Vendor.PIPEDRIVE):
        return account.domain
    # An earlier version learned it, and nothing was published since.
    found: str | None = await transaction.scalar(
        select(pipedrive_company.c.domain).where(pipedrive_company.c.id == ROW)
    )
    return found
