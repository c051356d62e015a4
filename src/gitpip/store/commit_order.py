"""In which order files appear and are seen: visits say "all up to here" without any clock.

The keys of files grow, but a transaction that took a smaller key may commit after one with a larger
key. A transaction that is about to take keys says so; one that needs a line below which nothing
will appear later waits for all of these. SQLite has one writer, so there the keys are in order.
"""

from sqlalchemy import func, select

from gitpip.model import FileKey
from gitpip.store.database import Transaction
from gitpip.store.schema import gist_files

# Any number will do that no other lock has.
LOCK = 4_871_325_002


async def about_to_appear(transaction: Transaction) -> None:
    """Say that this transaction will let files appear."""
    if transaction.dialect.name != "sqlite":
        await transaction.execute(select(func.pg_advisory_xact_lock_shared(LOCK)))


async def everything_up_to(transaction: Transaction) -> FileKey:
    """A key such that no file with a smaller one will ever appear after this transaction.

    Waits for those who are about to, and holds them up to its end: so it must be the first thing
    of a short transaction, which holds no other lock that they may want.
    """
    if transaction.dialect.name != "sqlite":
        await transaction.execute(select(func.pg_advisory_xact_lock(LOCK)))
    return await newest(transaction)


async def one_at_a_time(transaction: Transaction, name: str) -> None:
    """Wait for other transactions under this name, such as a viewer's, and let later ones wait."""
    if transaction.dialect.name != "sqlite":
        await transaction.execute(select(func.pg_advisory_xact_lock(1, func.hashtext(name))))


async def newest(transaction: Transaction) -> FileKey:
    """The largest key of a file so far; 0 without files."""
    return FileKey(await transaction.scalar(select(func.max(gist_files.c.key))) or 0)
