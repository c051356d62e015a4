"""Growing keys that readers follow: which of them are settled, so that nothing appears below.

On PostgreSQL a transaction that took a smaller key may commit after one with a larger key. So each
transaction that is about to take keys first takes an advisory lock that names the newest key at
that time; its own keys are larger. Readers see these locks, and leave out what is newer than the
oldest of them. The locks are shared, so no transaction waits. SQLite has one writer: there the keys
are in the order of the commits.
"""

from dataclasses import dataclass
from functools import cache

from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    TableClause,
    case,
    cast,
    column,
    func,
    select,
    table,
    text,
)
from sqlalchemy.sql.elements import Case

from gitpip.store.database import Transaction

OLDEST_LOCK = """
    SELECT min(objid::bigint) FROM pg_locks
    WHERE locktype = 'advisory' AND classid::bigint = :locks AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True)
class Settled:
    """The keys of one moment."""

    newest: int
    """The largest key that was ever given; 0 for none."""
    settled: int
    """The key up to which nothing more will appear."""


@dataclass(frozen=True)
class GrowingKeys:
    """The keys of one sequence."""

    sequence: str
    locks: int
    """The first half of the advisory locks' names; the second is a key. No other lock has it."""

    async def about_to_take(self, transaction: Transaction) -> None:
        """Announce that this transaction will take keys."""
        if transaction.dialect.name != "sqlite":
            key = cast(self._newest, Integer)
            lock = func.pg_advisory_xact_lock_shared(cast(self.locks, Integer), key)
            await transaction.execute(select(lock).select_from(self._row))

    async def settled(self, transaction: Transaction) -> Settled:
        """Return which keys are settled, on PostgreSQL.

        The rows must be read in a later transaction: one that had begun before would not see what
        was committed, and its lock released, in between.
        """
        # In this order: a lock that is taken after the second statement is for keys above this one.
        newest = await transaction.scalar(select(self._newest).select_from(self._row)) or 0
        oldest = await transaction.scalar(text(OLDEST_LOCK), {"locks": self.locks})
        return Settled(newest, newest if oldest is None else min(newest, int(oldest)))

    @property
    def _row(self) -> TableClause:
        return _row_of(self.sequence)

    @property
    def _newest(self) -> Case[int]:
        return case((self._row.c.is_called, self._row.c.last_value), else_=0)


@cache
def _row_of(sequence: str) -> TableClause:
    """Return the row that PostgreSQL keeps of a sequence; each table object is another one."""
    return table(sequence, column("last_value", BigInteger), column("is_called", Boolean))
