"""The ledger: its lock, and its comparison with Pipedrive."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from gitpip.model import ActivityId, PublicationState, UserKey
from gitpip.store.database import Transaction
from gitpip.store.locking import in_order
from gitpip.store.rows import in_pieces, reader
from gitpip.store.schema import activity_lost, deals, publications
from gitpip.store.schema_accounts import ledger, markers
from gitpip.store.schema_publishing import earlier_activities

LEDGER_ROW = 1


@dataclass(frozen=True)
class LedgerState:
    """The state of the ledger. Times are UTC."""

    compared_at: datetime | None = None
    adopted: int = 0
    """The number of publications that were adopted so far."""
    hold_until: datetime | None = None
    """The time before which nothing is sent; then the ledger is compared once more."""
    requested_at: datetime | None = None
    """The time when a person requested a comparison of everything, until that is done."""
    missing: int = 0
    """The number of published activities that Pipedrive no longer lists."""
    missing_since: datetime | None = None
    read: int = 0
    """The number of activities that a comparison under way has read."""
    read_down_to: ActivityId | None = None
    """The activity at which that comparison ends; None for one that reads everything."""
    others_seen_at: datetime | None = None
    """The time when an activity that another installation sent was last seen."""
    set_back_at: datetime | None = None
    """The time when a process found that the database had lost what it knew to be there."""
    acknowledged_at: datetime | None = None
    """The time when what a person acknowledged as missing was found to be missing."""
    times_set_back_at: datetime | None = None
    """The time when future times, written by a clock that was ahead, were last set back."""


_state = reader(LedgerState)
_row = select(ledger).where(ledger.c.id == LEDGER_ROW)
_key = select(ledger.c.id).where(ledger.c.id == LEDGER_ROW)
_key_locked, _key_shared = _key.with_for_update(), _key.with_for_update(read=True)
_newest = (
    select(publications.c.marker, publications.c.sent_at)
    .where(publications.c.published_at.is_not(None))
    .order_by(publications.c.published_at.desc(), publications.c.id.desc())
    .limit(1)
)
_progress = (publications.c.sent_at, publications.c.state)
_WANTED: BindParameter[Any] = bindparam("markers", expanding=True)
_progress_of = (
    select(publications.c.marker, *_progress)
    .where(publications.c.marker.in_(_WANTED))
    .union_all(
        # A file that a person had sent again has another marker by now.
        select(earlier_activities.c.marker, *_progress)
        .join(publications, publications.c.id == earlier_activities.c.publication_id)
        .where(earlier_activities.c.marker.in_(_WANTED))
    )
)


@dataclass(frozen=True)
class LastPublication:
    """A publication that was seen to be sent or published."""

    marker: str
    sent_at: datetime | None
    """None if it was adopted."""


_last = reader(LastPublication)


@dataclass(frozen=True)
class LastDeal:
    """A deal that was seen to be sent."""

    user_key: UserKey
    title: str
    sent_at: datetime


async def read(transaction: Transaction) -> LedgerState:
    """Return the state of the ledger."""
    row = (await transaction.execute(_row)).one_or_none()
    return _state(row) if row else LedgerState()


async def share(transaction: Transaction) -> None:
    """Prevent adopting and switching until this transaction ends; it adds publications."""
    await transaction.execute(_key_shared)


async def lock(transaction: Transaction) -> None:
    """Prevent adding, adopting, retrying and switching until this transaction ends."""
    locked = await transaction.scalar(_key_locked)
    if locked is None:
        try:
            async with transaction.begin_nested():
                await transaction.execute(insert(ledger).values(id=LEDGER_ROW))
        except IntegrityError:
            await lock(transaction)


async def note(transaction: Transaction, **values: Any) -> None:
    """Update columns of the ledger; call `lock` first."""
    await transaction.execute(update(ledger).where(ledger.c.id == LEDGER_ROW).values(**values))


async def acknowledge_missing(transaction: Transaction, now: datetime) -> int:
    """Stop reporting published activities as missing; return their number. Call `lock` first.

    Those that the last comparison could find to be missing count as acknowledged.
    """
    before = await read(transaction)
    if before.missing:
        at = before.compared_at or now
        await note(transaction, missing=0, missing_since=None, acknowledged_at=at)
    lost = await transaction.execute(
        update(publications).where(in_order(activity_lost)).values(activity_lost_at=None)
    )
    return before.missing + lost.rowcount


async def request(transaction: Transaction, now: datetime) -> None:
    """Have everything compared by the process that publishes, before it sends anything more."""
    await lock(transaction)
    await note(transaction, requested_at=now)


async def database_life(transaction: Transaction) -> str:
    """Return a value that changes when another server, or another database, replaces this one.

    It does not show a restore into the same database: `publish/last_sent.py` notices that. A file
    of SQLite has no such sign, so there it is always the same.
    """
    if transaction.dialect.name == "sqlite":
        return ""
    found = await transaction.scalar(
        text(
            "SELECT concat(pg_postmaster_start_time(), ' ', oid) FROM pg_database "
            "WHERE datname = current_database()"
        )
    )
    return str(found)


async def last_activity(transaction: Transaction, account_key: int) -> ActivityId | None:
    """Return the latest activity of the account that the ledger knows."""
    published = await transaction.scalar(select(func.max(publications.c.activity_id)))
    seen = await transaction.scalar(
        select(func.max(markers.c.activity_id)).where(markers.c.account_key == account_key)
    )
    known = [number for number in (published, seen) if number is not None]
    return ActivityId(max(known)) if known else None


async def published_between(
    transaction: Transaction,
    first: int,
    *,
    after: datetime | None = None,
    before: datetime,
    limit: int,
) -> tuple[ActivityId, ...]:
    """Return the latest published activities from this id on, published between two times.

    One that was published at the time `after` is included.
    """
    since = [] if after is None else [publications.c.published_at >= after]
    found = await transaction.execute(
        select(publications.c.activity_id)
        .where(
            publications.c.activity_id >= first,
            publications.c.state == PublicationState.PUBLISHED.value,
            publications.c.published_at < before,
            *since,
        )
        .order_by(publications.c.activity_id.desc())
        .limit(limit)
    )
    return tuple(ActivityId(number) for number in found.scalars())


async def newest(transaction: Transaction) -> LastPublication | None:
    """Return the publication that was published last."""
    row = (await transaction.execute(_newest)).one_or_none()
    return None if row is None else _last(row)


async def holds(transaction: Transaction, last_ones: Collection[LastPublication]) -> bool:
    """Return whether the publications are at least as far as these were."""
    wanted = {one.marker for one in last_ones}
    if not wanted:
        return True
    rows = await transaction.execute(_progress_of, {"markers": sorted(wanted)})
    found = {row.marker: row for row in rows}
    for one in last_ones:
        row = found.get(one.marker)
        # An activity that was compared since a restore is adopted: it is published, without a time
        # of sending. Any other state without a time of sending is older than that one: also held or
        # skipped.
        if row is None or (row.sent_at is None and row.state != PublicationState.PUBLISHED.value):
            return False
        if one.sent_at is not None and row.sent_at is not None and row.sent_at < one.sent_at:
            return False
    return True


async def holds_deal(transaction: Transaction, last: LastDeal) -> bool:
    """Return whether the deals are at least as far as this one was."""
    columns = select(deals.c.sent_at, deals.c.state)
    rows = await transaction.execute(columns.where(deals.c.user_key == last.user_key))
    row = rows.one_or_none()
    # An activity that was compared since a restore was found in a list: it exists, without a time
    # of sending.
    if row is not None and row.state == PublicationState.PUBLISHED.value:
        return True
    if row is not None and row.sent_at is not None and row.sent_at >= last.sent_at:
        return True
    # If two users were found to be one, the deal has changed its owner.
    rows = await transaction.execute(
        columns.where(deals.c.title == last.title, deals.c.sent_at >= last.sent_at).limit(1)
    )
    return rows.first() is not None


async def knows_nothing_of_some(transaction: Transaction, sent: Collection[str]) -> bool:
    """Return whether one of these sent markers is unknown as sent, in publications and in lists."""
    known = or_(
        publications.c.state == PublicationState.PUBLISHED.value,
        publications.c.sent_at.is_not(None),
    )
    for some in in_pieces(list(sent)):
        found = await transaction.execute(
            select(publications.c.marker).where(publications.c.marker.in_(some), known)
        )
        unknown = set(some) - set(found.scalars())
        formerly = await transaction.execute(
            select(earlier_activities.c.marker).where(earlier_activities.c.marker.in_(unknown))
        )
        unknown -= set(formerly.scalars())
        if not unknown:
            continue
        seen = await transaction.execute(
            select(markers.c.marker).where(markers.c.marker.in_(unknown))
        )
        if not unknown <= set(seen.scalars()):
            return True
    return False
