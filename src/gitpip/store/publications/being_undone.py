"""The condition that a publication is being undone: neither it nor its note is sent then.

Each condition is built once: building one takes longer than executing it on a few rows.
"""

from functools import cache

from sqlalchemy import ColumnElement, func, select

from gitpip.store.schema import publications
from gitpip.store.schema_accounts import Vendor, accounts, is_bound
from gitpip.store.schema_undo import is_open, undone

NO_ACCOUNT = 0


@cache
def bound_account_key() -> ColumnElement[int]:
    """Return the key of the account that the rows belong to."""
    key = select(accounts.c.key).where(accounts.c.vendor == Vendor.DESTINATION, is_bound)
    return func.coalesce(key.correlate(None).scalar_subquery(), NO_ACCOUNT)


@cache
def of_bound_account() -> ColumnElement[bool]:
    """Return the condition that a row of `undone` is about the account that the rows belong to.

    The activities of another account are left until the rows are switched back to it.
    """
    return undone.c.account_key == bound_account_key()


@cache
def being_undone() -> ColumnElement[bool]:
    """Return the condition that a publication is chosen for an undo that is not done yet."""
    return (
        select(undone.c.id)
        .where(undone.c.publication_id == publications.c.id, is_open, of_bound_account())
        .correlate(publications)
        .exists()
    )
