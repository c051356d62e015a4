"""The order in which gists appear in the inbox: a reader says "all up to here" without a clock.

The keys of the inbox grow, but a transaction that took a smaller key may commit after one with a
larger key. So each transaction that is about to take keys first takes an advisory lock that names
the newest key at that time; its own keys are larger. To get a key below which nothing will appear
later, a transaction checks which of these locks there are. The locks are shared, so no transaction
waits. SQLite has one writer, so there the keys are in order.
"""

from sqlalchemy import func, select, text

from gitpip.model import FileKey
from gitpip.store.database import Database, Transaction
from gitpip.store.schema import gist_files, users
from gitpip.store.schema_inbox import inbox

LOCKS = 4_871_327
"""The first half of the advisory locks' names; the second is a key. No other lock has this one."""

NEWEST = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM inbox_key_seq"
LOCK = """
    SELECT pg_advisory_xact_lock_shared(
        :locks, (CASE WHEN is_called THEN last_value ELSE 0 END)::int
    ) FROM inbox_key_seq
"""
OLDEST_LOCK = """
    SELECT min(objid::bigint) FROM pg_locks
    WHERE locktype = 'advisory' AND classid::bigint = :locks AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def about_to_appear(transaction: Transaction) -> None:
    """Announce that this transaction will let gists appear in the inbox."""
    if transaction.dialect.name != "sqlite":
        await transaction.execute(text(LOCK), {"locks": LOCKS})


async def settled(database: Database) -> int:
    """Return the key of the inbox up to which no more gists will appear.

    The inbox must be read in a later transaction: one that had begun before would not see what was
    committed, and its lock released, in between. Raises DatabaseUnavailable.
    """
    async with database.read() as transaction:
        if database.is_sqlite:
            # The condition lets SQLite use the index, which only holds users with a key.
            columns = (inbox.c.key, users.c.returned_key)
            keys = [select(func.max(one)).where(one.is_not(None)) for one in columns]
            return max([await transaction.scalar(key) or 0 for key in keys])
        # In this order: a lock that is taken after the second statement is for keys above this one.
        newest: int = (await transaction.execute(text(NEWEST))).scalar_one()
        oldest = await transaction.scalar(text(OLDEST_LOCK), {"locks": LOCKS})
    return newest if oldest is None else min(newest, int(oldest))


async def one_at_a_time(transaction: Transaction, name: str) -> None:
    """Wait for other transactions under this name, such as a viewer's, and make later ones wait."""
    if transaction.dialect.name != "sqlite":
        await transaction.execute(select(func.pg_advisory_xact_lock(1, func.hashtext(name))))


async def newest(transaction: Transaction) -> FileKey:
    """Return the largest key of a file so far; 0 without files."""
    return FileKey(await transaction.scalar(select(func.max(gist_files.c.key))) or 0)
