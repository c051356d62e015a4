"""Failures of undos, until a person resumes or acknowledges them, and what undos retry.

An undo records since when something of it has failed. The rows are read at each query: what another
undo has deleted, or is about to delete, is no longer shown.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update

from gitpip.store.database import Transaction
from gitpip.store.publications import sent_again
from gitpip.store.publications.being_undone import (
    being_undone,
    bound_account_key,
    of_bound_account,
)
from gitpip.store.rows import reader
from gitpip.store.schema import publications
from gitpip.store.schema_publishing import earlier_activities
from gitpip.store.schema_undo import (
    UndoneState,
    deal_is_open,
    is_open,
    undone,
    undone_deals,
    undos,
)


@dataclass(frozen=True)
class Failures:
    """The failures of undos. Times are UTC."""

    undo_id: int
    """The undo that has had failures for the longest time."""
    subject: str
    since: datetime
    reason: str | None
    """The reason of the first failure of that undo."""
    undos: int
    activities: int
    deals: int


@dataclass(frozen=True)
class RetriedItem:
    """The item that an undo tries again; `at` (UTC) is the next attempt."""

    reason: str
    at: datetime


_retried = reader(RetriedItem)


def failed_activity() -> ColumnElement[bool]:
    """Return the condition that a row of `undone` failed, and must still be deleted.

    It need not be if another undo is about to delete it, or if a person had the file sent again
    since. That is a later decision, and the earlier activity then stays.
    """
    sent_again_since = exists().where(
        earlier_activities.c.publication_id == undone.c.publication_id,
        earlier_activities.c.replaced_at > undone.c.ended_at,
    )
    is_earlier_one = exists().where(
        earlier_activities.c.publication_id == publications.c.id,
        earlier_activities.c.activity_id == undone.c.activity_id,
        sent_again.is_there(),
    )
    still_there = select(publications.c.id).where(
        or_(publications.c.activity_id == undone.c.activity_id, is_earlier_one), ~being_undone()
    )
    return and_(
        undone.c.state == UndoneState.FAILED,
        undone.c.publication_id.in_(still_there),
        ~sent_again_since.correlate(undone),
    )


def failed_deal() -> ColumnElement[bool]:
    """Return the condition that a row of `undone_deals` failed and no other undo has its deal."""
    elsewhere = undone_deals.alias()
    taken = exists().where(
        elsewhere.c.deal_id == undone_deals.c.deal_id,
        elsewhere.c.account_key == undone_deals.c.account_key,
        elsewhere.c.state.in_((UndoneState.WAITING, UndoneState.DELETED)),
    )
    return (undone_deals.c.state == UndoneState.FAILED) & ~taken.correlate(undone_deals)


async def note(transaction: Transaction, undo_id: int, state: UndoneState, now: datetime) -> None:
    """Record the outcome of an item of an undo: from the first failure on, a person is asked."""
    if state is UndoneState.FAILED:
        await transaction.execute(
            update(undos)
            .where(undos.c.id == undo_id, undos.c.failed_at.is_(None))
            .values(failed_at=now)
        )


async def failures(transaction: Transaction) -> Failures | None:
    """Return unacknowledged failures that are not retried, without stopped undos; None if none."""
    noted = await transaction.execute(
        select(undos.c.id, undos.c.subject, undos.c.failed_at)
        .where(undos.c.failed_at.is_not(None), undos.c.stopped_at.is_(None))
        .order_by(undos.c.failed_at, undos.c.id)
    )
    rows = noted.all()
    if not rows:
        return None
    ids = [row.id for row in rows]
    activities = await _counted(transaction, undone.c.undo_id, *_activities_of(ids))
    deals = await _counted(transaction, undone_deals.c.undo_id, *_deals_of(ids))
    found = [row for row in rows if row.id in activities or row.id in deals]
    if not found:
        return None
    first = found[0]
    return Failures(
        first.id,
        first.subject,
        first.failed_at,
        await _first_reason(transaction, first.id),
        undos=len(found),
        activities=sum(activities.values()),
        deals=sum(deals.values()),
    )


async def acknowledge(transaction: Transaction) -> int:
    """Record that a person acknowledges all these failures; return how many items they are.

    They are activities and deals. Call `ledger.lock` first.
    """
    known = await failures(transaction)
    if known is None:
        return 0
    await transaction.execute(
        update(undos)
        .where(undos.c.failed_at.is_not(None), undos.c.stopped_at.is_(None))
        .values(failed_at=None)
    )
    return known.activities + known.deals


async def retried(transaction: Transaction, undo_ids: Collection[int]) -> RetriedItem | None:
    """Return the next item that these undos try again after a failed attempt; None if none.

    Pipedrive has failed or refused it for now.
    """
    for of, waits in ((undone.c, is_open), (undone_deals.c, deal_is_open)):
        rows = await transaction.execute(
            select(of.reason, of.due_at.label("at"))
            .where(of.undo_id.in_(undo_ids), waits, func.coalesce(of.reason, "") != "")
            .order_by(of.due_at, of.id)
            .limit(1)
        )
        if row := rows.one_or_none():
            return _retried(row)
    return None


def _activities_of(undo_ids: Collection[int]) -> tuple[ColumnElement[bool], ...]:
    return undone.c.undo_id.in_(undo_ids), of_bound_account(), failed_activity()


def _deals_of(undo_ids: Collection[int]) -> tuple[ColumnElement[bool], ...]:
    of_account = undone_deals.c.account_key == bound_account_key()
    return undone_deals.c.undo_id.in_(undo_ids), of_account, failed_deal()


async def _counted(
    transaction: Transaction, undo_id: ColumnElement[int], *wanted: ColumnElement[bool]
) -> dict[int, int]:
    rows = await transaction.execute(select(undo_id, func.count()).where(*wanted).group_by(undo_id))
    return {row[0]: row[1] for row in rows}


async def _first_reason(transaction: Transaction, undo_id: int) -> str | None:
    for of, wanted in (
        (undone.c, _activities_of((undo_id,))),
        (undone_deals.c, _deals_of((undo_id,))),
    ):
        found = await transaction.execute(
            select(of.reason).where(*wanted).order_by(of.ended_at, of.id).limit(1)
        )
        if row := found.one_or_none():
            reason: str | None = row.reason
            return reason
    return None
