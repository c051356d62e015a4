"""The comparison of the ledger with Pipedrive: activities found there are adopted as published.

The ledger can be younger than the CRM: after a restore or a move, with a new database, or with a
second installation. One list of all activities, newest first, costs 10 tokens for 500. It is read
down to the ledger's last known activity, with a small overlap.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitpip.model import ActivityId, DealId, OnEdit
from gitpip.observability.logging import get_logger
from gitpip.publish.activity import find_markers
from gitpip.publish.delivery import NotProcessed, Refused
from gitpip.publish.destination import Destination, Item, ListPage, LookFailed
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import VendorAccount
from gitpip.store.database import Database
from gitpip.store.publications import duplicates, markers
from gitpip.store.publications.markers import TakenIn
from gitpip.store.publications.recognition import Sighting

LEDGER_OVERLAP = timedelta(minutes=10)
"""The time before the ledger's last activity down to which the list is read in any case."""
UNSETTLED_FOR = timedelta(minutes=5)
"""The age of a write below which there may be others that no list shows yet."""
PAGES_AT_A_TIME = 20
"""The pages read in one step. Then other work has its turn: an account can hold hundreds of
thousands of activities."""
RESTARTED_AFTER = 5
"""The failures of a page in a row after which the list is read from its start. The cursor may have
expired, and Pipedrive does not document the answer for that."""
LATEST_COMPARED = 20
"""The number of latest published activities that are compared: if none is listed, they are
missing."""
FEWEST_MISSED = 2
"""The fewest activities that can count as missing: a person may well delete one."""
MOST_IDS = 50
"""The most ids of duplicates at a time. With the activities of their publications, that keeps to
the 100 ids that Pipedrive takes."""

log = get_logger()


@dataclass
class _Reading:
    """A list that is being read."""

    account_key: int
    last: ActivityId | None
    """The ledger's last known activity, or that of a comparison that was cut short."""
    whole: bool
    cursor: str | None = None
    failures: int = 0
    """The number of failures in a row to read the page behind the cursor."""
    told: TakenIn = field(default_factory=TakenIn)
    read: int = 0
    latest: set[int] = field(default_factory=set)
    """The ids of the first pages."""
    lowest: int = 0
    """The lowest of `latest`."""
    at: datetime | None = None
    """The time at which the reading began, by Pipedrive's clock, or None if that is not told."""
    known_at: datetime | None = None
    """The time of the first activity that the ledger can know, by Pipedrive's clock."""
    others: bool = False
    """Whether the ledger lacked activities that are older than its last known one."""

    def progress(self, read: int) -> dict[str, int | None]:
        """Return the columns of the ledger while a list is being read, after `read` activities."""
        end = None if self.whole or self.others else self.last
        return {"read": read, "read_down_to": end}


@dataclass(frozen=True)
class Compared:
    """The result of a complete comparison."""

    told: TakenIn
    read: int
    """The number of activities listed."""
    young: bool
    """Whether something unknown was added so recently that more may be on its way."""
    at: datetime | None
    """The time at which the reading began, by Pipedrive's clock, or None if that is not told."""


class Comparison:
    """Reads the list a few pages at a time. `now` returns our own time (UTC)."""

    def __init__(
        self,
        database: Database,
        destination: Destination,
        *,
        now: Callable[[], datetime],
        on_edit: OnEdit = OnEdit.IGNORE,
        write: bool = True,
    ) -> None:
        """Without `write`, nothing is adopted, and the result says what would be."""
        self._database = database
        self._destination = destination
        self._now = now
        self._write = write
        self._on_edit = on_edit
        self._reading: _Reading | None = None
        self.pages = 0
        """The number of pages read so far."""
        self._duplicates_seen = 0
        """The last activity up to which duplicates were checked; 0 begins with the first one."""

    @property
    def under_way(self) -> bool:
        """Whether a reading was begun and is not complete."""
        return self._reading is not None

    def begin_anew(self) -> None:
        """Forget what was read so far, because the ledger's last activity has changed."""
        self._reading = None

    async def step(self, account: VendorAccount, *, whole: bool) -> Compared | None:
        """Read further, and return None while there is more to read. Raises LookFailed.

        Unless `whole` is set, it ends where the ledger knows everything.
        """
        reading = self._reading
        if reading is None or reading.account_key != account.key or (whole and not reading.whole):
            reading = await self._begin(account, whole=whole)
        self._reading = None
        for _ in range(PAGES_AT_A_TIME):
            try:
                page = await self._destination.activity_page(reading.cursor)
            except LookFailed as failure:
                if not isinstance(failure.outcome, NotProcessed):
                    reading.failures += 1
                if not isinstance(failure.outcome, Refused) and reading.failures < RESTARTED_AFTER:
                    self._reading = reading  # continues from here
                raise
            reading.failures = 0
            self.pages += 1
            if reading.cursor is None:
                reading.at = page.at
            if await self._take_in(account, reading, page):
                return await self._end(account, reading)
            reading.cursor = page.cursor
        self._reading = reading
        if self._write:
            async with self._database.begin() as transaction:
                if await accounts.lock_ledger_of(transaction, account.key):
                    await ledger.note(transaction, **reading.progress(reading.read))
        log.info("ledger.comparing", read=reading.read)
        return None

    async def whole(self, account: VendorAccount) -> Compared:
        """Read the list to its end. Raises LookFailed."""
        while True:
            if compared := await self.step(account, whole=True):
                return compared

    async def _begin(self, account: VendorAccount, *, whole: bool) -> _Reading:
        async with self._database.read() as transaction:
            state = await ledger.read(transaction)
            if not state.read:
                last = await ledger.last_activity(transaction, account.key)
                return _Reading(account.key, last, whole)
        # One was cut short. It has adopted the newest, so what is known now does not show where to
        # end.
        return _Reading(account.key, state.read_down_to, whole or state.read_down_to is None)

    async def _take_in(self, account: VendorAccount, reading: _Reading, page: ListPage) -> bool:
        """Take in one page, and return whether it was the last one needed."""
        sightings = tuple(sightings_in(page.items, account))
        now = self._now()
        if self._write:
            async with self._database.begin() as transaction:
                told = await markers.take_in(
                    transaction, account.key, sightings, now, on_edit=self._on_edit
                )
                reading.others |= _of_others(reading, page.items, told)
                if page.cursor is not None and (told.adopted or told.kept):
                    read = reading.read + len(page.items)
                    await ledger.note(transaction, **reading.progress(read))
        else:
            async with self._database.read() as transaction:
                told = await markers.take_in(
                    transaction, account.key, sightings, now, on_edit=self._on_edit, write=False
                )
        reading.told += told
        if reading.read < LATEST_COMPARED * 50:
            reading.latest |= {item.id for item in page.items}
            reading.lowest = min(reading.latest, default=0) if page.cursor else 0
        reading.read += len(page.items)
        return page.cursor is None or (not reading.whole and _reached(reading, page.items, told))

    async def _end(self, account: VendorAccount, reading: _Reading) -> Compared:
        told = reading.told
        if self._write:
            while await self._settle_duplicates(account) and reading.whole:
                pass
            await self._note(account, reading)
        if told.adopted or told.kept or told.duplicates:
            log.warning(
                "ledger.adopted" if self._write else "ledger.would_adopt",
                adopted=len(told.adopted),
                kept=told.kept,
                duplicates=told.duplicates,
                read=reading.read,
            )
        # Without a time by Pipedrive's clock, nothing shows that the unknown activities are old.
        at = self._destination.now
        young = any(
            at is None or (one.added_at is not None and at - one.added_at < UNSETTLED_FOR)
            for one in told.unknown
        )
        return Compared(told, reading.read, young, reading.at)

    async def _note(self, account: VendorAccount, reading: _Reading) -> None:
        """Record when the comparison was made, and whether published activities are missing."""
        now = self._now()
        async with self._database.begin() as transaction:
            if not await accounts.lock_ledger_of(transaction, account.key):
                return
            before = await ledger.read(transaction)
            known = before.acknowledged_at
            latest = await ledger.published_between(
                transaction,
                reading.lowest,
                # Activities that an acknowledged comparison found to be missing are known already.
                after=known and known - UNSETTLED_FOR,
                before=now - UNSETTLED_FOR,
                limit=LATEST_COMPARED,
            )
            # A younger one may not be listed yet. If it is listed, the account still has ours.
            younger = await ledger.published_between(
                transaction, reading.lowest, before=now + LEDGER_OVERLAP, limit=LATEST_COMPARED
            )
            gone = len(latest) if reading.latest.isdisjoint({*latest, *younger}) else 0
            missing = gone if gone >= FEWEST_MISSED else 0
            await ledger.note(
                transaction,
                compared_at=now,
                read=0,
                read_down_to=None,
                adopted=before.adopted + len(reading.told.adopted),
                missing=missing,
                missing_since=(before.missing_since or now) if missing else None,
            )

    async def _settle_duplicates(self, account: VendorAccount) -> bool:
        """Check which of the next duplicates were deleted since, and return whether more follow.

        They take turns, so that many duplicates that are never deleted do not hide later ones.
        """
        async with self._database.read() as transaction:
            some = await duplicates.listed(
                transaction, account.key, MOST_IDS, after=self._duplicates_seen
            )
        self._duplicates_seen = some[-1].activity_id if len(some) == MOST_IDS else 0
        if not some:
            return False
        ids = {one.activity_id for one in some} | {
            one.published_as for one in some if one.published_as is not None
        }
        try:
            present = await self._destination.existing_activities(sorted(ids))
        except LookFailed as failure:
            log.warning("ledger.duplicates_not_read", reason=str(failure))
            return False
        async with self._database.begin() as transaction:
            await duplicates.settle(transaction, account.key, some, present)
        return self._duplicates_seen > 0


def sightings_in(items: Sequence[Item], account: VendorAccount) -> Iterator[Sighting]:
    """Yield the activities of ours among those of a list, the original before its copies.

    A person who copies one becomes the creator of the copy.
    """
    found = []
    for item in items:
        by_us = item.creator_id in account.creators
        seen = find_markers(subject=item.text, note=item.note)
        if marker := seen.marker(created_by_us=by_us):
            found.append((not by_us, item.id, marker, item, seen))
    for _, number, marker, item, seen in sorted(found, key=lambda one: one[:2]):
        deal_id = None if item.deal_id is None else DealId(item.deal_id)
        yield Sighting(
            ActivityId(number),
            marker,
            deal_id,
            item.added_at,
            seen.content,
            seen.parts,
            seen.unnamed,
            seen.first_marker,
        )


def _reached(reading: _Reading, items: Sequence[Item], told: TakenIn) -> bool:
    """Return whether the ledger knows everything further down in the list."""
    if reading.last is None or not items:
        return False
    older = [item for item in items if item.id <= reading.last]
    if not older:
        return False
    reading.known_at = reading.known_at or older[0].added_at
    if _of_others(reading, items, told):
        return False
    oldest = older[-1].added_at
    if reading.known_at is None or oldest is None:
        return True
    return reading.known_at - oldest >= LEDGER_OVERLAP


def _of_others(reading: _Reading, items: Sequence[Item], told: TakenIn) -> bool:
    """Return whether another installation publishes here, so that older activities can be its own.

    Its activities are older than the last one that the ledger knows, and the ledger lacked them.
    """
    if reading.last is None:
        return False
    below = {item.id for item in items if item.id <= reading.last}
    return any(one.activity_id in below for one in told.unknown)
