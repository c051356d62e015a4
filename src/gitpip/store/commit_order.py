"""The order in which gists appear in the inbox: a reader says "all up to here" without a clock."""

from sqlalchemy import func, select

from gitpip.model import FileKey
from gitpip.store.database import Database, Transaction
from gitpip.store.growing_keys import GrowingKeys
from gitpip.store.schema import gist_files, users
from gitpip.store.schema_inbox import inbox

KEYS = GrowingKeys("inbox_key_seq", locks=4_871_327)


async def about_to_appear(transaction: Transaction) -> None:
    """Announce that this transaction will let gists appear in the inbox."""
    await KEYS.about_to_take(transaction)


async def settled(database: Database) -> int:
    """Return the key of the inbox up to which no more gists will appear.

    The inbox must be read in a later transaction. Raises DatabaseUnavailable.
    """
    async with database.read() as transaction:
        if database.is_sqlite:
            # The condition lets SQLite use the index, which only holds users with a key.
            columns = (inbox.c.key, users.c.returned_key)
            keys = [select(func.max(one)).where(one.is_not(None)) for one in columns]
            return max([await transaction.scalar(key) or 0 for key in keys])
        return (await KEYS.settled(transaction)).settled


async def one_at_a_time(transaction: Transaction, name: str) -> None:
    """Wait for other transactions under this name, such as a viewer's, and make later ones wait."""
    if transaction.dialect.name != "sqlite":
        await transaction.execute(select(func.pg_advisory_xact_lock(1, func.hashtext(name))))


async def newest(transaction: Transaction) -> FileKey:
    """Return the largest key of a file so far; 0 without files."""
    return FileKey(await transaction.scalar(select(func.max(gist_files.c.key))) or 0)
