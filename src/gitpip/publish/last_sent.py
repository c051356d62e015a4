"""The memory of what the database must hold, which shows whether the database was set back.

A restore can take place under a running process: SQLite's `.restore`, or `pg_restore --clean` into
the same database. No name, file or connection changes then. But the rows of what was sent last are
lost, whether this process sent it or saw that another one did.

A hold that follows is a row as well, which a second restore loses. What was sent before is then
forgotten, so the hold itself is remembered until it is over.
"""

from collections.abc import Callable
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
    hold_until: datetime | None


class LastSent:
    """The memory of this process: its own last publication and deal, the newest of all, a hold."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._own: LastPublication | None = None
        self._newest: LastPublication | None = None
        self._deal: LastDeal | None = None
        self._hold_until: datetime | None = None

    def note_sent(self, marker: str, at: datetime) -> None:
        """Remember that this publication was marked as being sent, once that is committed."""
        self._own = LastPublication(marker, at)

    def note_deal_sent(self, user_key: UserKey, title: str, at: datetime) -> None:
        """Remember that a user's deal was marked as being sent, once that is committed."""
        self._deal = LastDeal(user_key, title, at)

    @property
    def remembered(self) -> Remembered:
        publications = tuple(one for one in (self._own, self._newest) if one is not None)
        return Remembered(publications, self._deal, self._hold_until)

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
        return await self._has(transaction, wanted.deal, wanted.hold_until)

    async def has_lost_deal_or_hold(self, transaction: Transaction) -> bool:
        """Return whether the database lacks the deal that was sent last, or a hold that lasts."""
        return not await self._has(transaction, self._deal, self._hold_until)

    async def _has(
        self, transaction: Transaction, deal: LastDeal | None, hold_until: datetime | None
    ) -> bool:
        if deal is not None and not await ledger.holds_deal(transaction, deal):
            return False
        now = self._now()
        if hold_until is None or hold_until <= now:
            return True
        # Nothing was sent since, so any hold that lasts is long enough. An earlier time is no sign
        # of a restore: times by a clock that was ahead are set back.
        present = (await ledger.read(transaction)).hold_until
        return present is not None and present > now

    async def learn(self, transaction: Transaction, hold_until: datetime | None) -> None:
        """Remember what any process published last, and the hold in the ledger.

        Call it only if `is_there` returned True.
        """
        self._newest = await ledger.newest(transaction) or self._newest
        self._hold_until = hold_until

    def forget(self) -> None:
        """Forget everything: it is another account's, or is compared again."""
        self._own = self._newest = self._deal = self._hold_until = None
