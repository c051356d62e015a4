"""The memory of what the database must hold, which shows whether the database was set back.

A restore can take place under a running process: SQLite's `.restore`, or `pg_restore --clean` into
the same database. No name, file or connection changes then. But the rows of what was sent last are
lost, whether this process sent it or saw that another one did.
"""

from datetime import datetime
from typing import NamedTuple

from gitpip.model import UserKey
from gitpip.store import ledger
from gitpip.store.database import Transaction
from gitpip.store.ledger import LastDeal, LastPublication


class Remembered(NamedTuple):
    """The rows that the database must hold in every transaction that begins from now on."""

    publications: tuple[LastPublication, ...]
    deal: LastDeal | None


class LastSent:
    """The memory of this process: its own last publication and deal, and the newest of all."""

    def __init__(self) -> None:
        self._own: LastPublication | None = None
        self._newest: LastPublication | None = None
        self._deal: LastDeal | None = None

    def note_sent(self, marker: str, at: datetime) -> None:
        """Remember that this publication was marked as being sent, once that is committed."""
        self._own = LastPublication(marker, at)

    def note_deal_sent(self, user_key: UserKey, title: str, at: datetime) -> None:
        """Remember that a user's deal was marked as being sent, once that is committed."""
        self._deal = LastDeal(user_key, title, at)

    @property
    def remembered(self) -> Remembered:
        publications = tuple(one for one in (self._own, self._newest) if one is not None)
        return Remembered(publications, self._deal)

    async def is_there(
        self, transaction: Transaction, remembered: Remembered | None = None
    ) -> bool:
        """Return whether the database still holds what is remembered.

        A transaction that only reads shows the database as it was when it began, without what was
        sent after that. For one, `remembered` is what was remembered before it began.
        """
        wanted = remembered or self.remembered
        if not await ledger.holds(transaction, wanted.publications):
            return False
        return wanted.deal is None or await ledger.holds_deal(transaction, wanted.deal)

    async def has_lost_deal(self, transaction: Transaction) -> bool:
        """Return whether the database lacks the deal that was sent last."""
        return self._deal is not None and not await ledger.holds_deal(transaction, self._deal)

    async def learn(self, transaction: Transaction) -> None:
        """Remember what any process published last. Call it only if `is_there` returned True."""
        self._newest = await ledger.newest(transaction) or self._newest

    def forget(self) -> None:
        """Forget everything: it is another account's, or is compared again."""
        self._own = self._newest = self._deal = None
