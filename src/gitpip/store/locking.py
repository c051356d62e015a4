"""The order in which rows are locked, so that no two transactions wait for each other.

The order is: the ledger, users by their keys, publications by their ids, deals by their users, all
others. So whatever changes publications together with deals or markers takes the ledger's lock
first, and an update of many publications locks them in their order.
"""

from sqlalchemy import ColumnElement, func, select

from gitpip.store.database import Transaction
from gitpip.store.schema import publications


def in_order(*wanted: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return a condition for an update of many publications that locks them in their order."""
    rows = select(publications.c.id).where(*wanted).order_by(publications.c.id)
    return publications.c.id.in_(rows.with_for_update())


async def all_publications(transaction: Transaction) -> None:
    """Lock every publication."""
    rows = select(publications.c.id).order_by(publications.c.id).with_for_update()
    await transaction.scalar(select(func.count()).select_from(rows.subquery()))
