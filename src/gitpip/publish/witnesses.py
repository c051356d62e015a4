"""What a process knows to be in the database: a database that was set back does not hold it.

A restore can take place under a running process: SQLite's `.restore`, or `pg_restore --clean` into
the same database. No name, file or connection changes then. But what was sent last is gone, be it
sent by this process or seen to be published by another one.
"""

from collections.abc import Sequence
from datetime import datetime

from gitpip.store import ledger
from gitpip.store.database import Transaction
from gitpip.store.ledger import Witness


class Witnesses:
    """The publications that this process remembers: its own last one, and the newest of all."""

    def __init__(self) -> None:
        self._own: Witness | None = None
        self._newest: Witness | None = None

    def note_sent(self, marker: str, at: datetime) -> None:
        """Remember that this was marked as being sent, once the transaction is committed."""
        self._own = Witness(marker, at)

    @property
    def remembered(self) -> tuple[Witness, ...]:
        """What the database must hold in every transaction that begins from now on."""
        return tuple(one for one in (self._own, self._newest) if one is not None)

    async def hold(
        self, transaction: Transaction, remembered: Sequence[Witness] | None = None
    ) -> bool:
        """Whether the database still holds what is remembered.

        A transaction that only reads shows the database as it was when it began, without what was
        sent meanwhile: then `remembered` is what was remembered before it began.
        """
        wanted = self.remembered if remembered is None else remembered
        return await ledger.holds(transaction, wanted)

    async def learn(self, transaction: Transaction) -> None:
        """Remember what was published last, by whichever process; only where `hold` is true."""
        self._newest = await ledger.newest(transaction) or self._newest

    def forget(self) -> None:
        """Remember nothing of another account's, or of what is compared anew."""
        self._own = self._newest = None
