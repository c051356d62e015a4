"""The publications of undos: claimed, postponed, or withdrawn before they are sent.

One row for each publication of an undo. `now` is the time by our own clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, update

from gitpip.errors import PublicationStateError
from gitpip.model import ActivityId, DealId, GistId, PublicationId, PublicationState, UserKey
from gitpip.modes import PublishingMode
from gitpip.store import events, lease, ledger
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.locking import in_order
from gitpip.store.publications import second_sends, sent_again, undone_deals
from gitpip.store.publications.being_undone import being_undone, of_bound_account
from gitpip.store.publications.delivered import NOTHING_SENT, SENT
from gitpip.store.publications.permission import Present, mode_of, not_paused_by_a_person
from gitpip.store.publications.publication_rows import publication_of, selected
from gitpip.store.rows import ROWS_PER_STATEMENT, reader
from gitpip.store.schema import gist_files, publications, users
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import earlier_activities
from gitpip.store.schema_surveys import adopted_from_others
from gitpip.store.schema_undo import UndoneState, UndoScope, is_open, undone, undos

WITHDRAWN_AT_ONCE = ROWS_PER_STATEMENT
"""The most publications that one transaction withdraws, so that others need not wait for long."""
WITHDRAWN = PublicationState.WITHDRAWN.value
NOT_SENT_ANY_MORE = "undone before it was sent"
MADE_BY_OTHERS = "another tool made it"


@dataclass(frozen=True)
class Due:
    """A claimed row: an activity that must be deleted."""

    id: int
    undo_id: int
    publication_id: PublicationId
    user_key: UserKey
    login: str
    gist_id: GistId
    filename: str
    marker: str
    activity_id: ActivityId
    deal_id: DealId | None
    note_written_at: datetime | None
    attempts: int
    token: str
    which: UndoScope
    earlier_id: int | None
    """The id of an earlier activity of a publication that was sent again since; otherwise None."""
    is_of_another_tool: bool


_due = reader(Due)


@cache
def _is_not_stopped() -> ColumnElement[bool]:
    return (
        select(undos.c.id)
        .where(undos.c.id == undone.c.undo_id, undos.c.stopped_at.is_(None))
        .correlate(undone)
        .exists()
    )


@cache
def _which(*which: UndoScope) -> ColumnElement[bool]:
    """Return the condition that a row belongs to an undo of these activities."""
    of_undo = undos.c.id == undone.c.undo_id
    return select(undos.c.id).where(of_undo, undos.c.which.in_(which)).correlate(undone).exists()


@cache
def _earlier_id() -> ColumnElement[Any]:
    """Return the id of the earlier activity to delete next: they go before the newest one."""
    return case((~_which(UndoScope.NEWEST), sent_again.to_be_deleted()))


def of_another_tool(activity_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that another tool made this activity, and gitpip adopted it."""
    of = adopted_from_others.c
    adopted = select(of.publication_id).where(
        of.publication_id == publications.c.id, of.activity_id == activity_id
    )
    return adopted.correlate_except(adopted_from_others).exists()


async def is_of_another_tool(transaction: Transaction, publication_id: PublicationId) -> bool:
    """Return whether another tool made the activity of a publication, and gitpip adopted it."""
    made = select(publications.c.id).where(
        publications.c.id == publication_id, of_another_tool(publications.c.activity_id)
    )
    return await transaction.scalar(made) is not None


@cache
def _is_to_be_deleted(overall: PublishingMode) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on a row whose activity must be deleted.

    They include users who are paused, removed or opted out: a person asked for the undo.
    """
    return (
        is_open,
        of_bound_account(),
        _is_not_stopped(),
        or_(~_which(UndoScope.EARLIER), sent_again.to_be_deleted().is_not(None)),
        publications.c.state == PublicationState.PUBLISHED.value,
        mode_of(users, overall) != PublishingMode.DRY_RUN.value,
    )


def _may_be_deleted(mode: PublishingMode, now: lease.Now) -> tuple[ColumnElement[bool], ...]:
    return (*_is_to_be_deleted(mode), not_paused_by_a_person(now))


async def claim(
    transaction: Transaction, *, token: str, present: Present, lasts: timedelta, limit: int
) -> tuple[Due, ...]:
    """Claim up to `limit` activities that must be deleted now."""
    free = (
        select(undone.c.id)
        .join(publications, publications.c.id == undone.c.publication_id)
        .join(users, users.c.key == publications.c.user_key)
        .where(
            *_may_be_deleted(present.mode, present.now),
            undone.c.due_at <= present.now,
            lease.is_free(undone.c.lease_until, present.now),
        )
        .order_by(undone.c.due_at, undone.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=undone)
    )
    ids = (await transaction.execute(free)).scalars().all()
    if not ids:
        return ()
    await transaction.execute(
        update(undone)
        .where(undone.c.id.in_(ids))
        .values(token=token, lease_until=lease.until(present.now, lasts))
    )
    rows = await transaction.execute(
        select(
            undone.c.id,
            undone.c.undo_id,
            undone.c.publication_id,
            undone.c.attempts,
            undone.c.token,
            undos.c.which,
            earlier_activities.c.id.label("earlier_id"),
            publications.c.user_key,
            *map(_of_earlier_or_newest, ("marker", "activity_id", "deal_id", "note_written_at")),
            of_another_tool(_of_earlier_or_newest("activity_id")).label("is_of_another_tool"),
            users.c.login,
            gist_files.c.gist_id,
            gist_files.c.filename,
        )
        .join(undos, undos.c.id == undone.c.undo_id)
        .join(publications, publications.c.id == undone.c.publication_id)
        .join(users, users.c.key == publications.c.user_key)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .outerjoin(earlier_activities, earlier_activities.c.id == _earlier_id())
        .where(undone.c.id.in_(ids))
        .order_by(undone.c.due_at, undone.c.id)
    )
    return tuple(map(_due, rows))


def _of_earlier_or_newest(name: str) -> ColumnElement[Any]:
    of_earlier = earlier_activities.c[name]
    is_earlier = earlier_activities.c.id.is_not(None)
    return case((is_earlier, of_earlier), else_=publications.c[name]).label(name)


async def may_still_be_deleted(
    transaction: Transaction, due: Due, present: Present, lasts: timedelta
) -> bool:
    """Return whether a claimed activity may still be deleted; if so, renew the claim."""
    allowed = (
        select(publications.c.id)
        .join(users, users.c.key == publications.c.user_key)
        .where(
            publications.c.id == due.publication_id,
            _still_has(due),
            *_may_be_deleted(present.mode, present.now),
        )
        .correlate(undone)
        .exists()
    )
    kept = await transaction.execute(
        update(undone)
        .where(
            *is_claimed(due),
            lease.lasts(undone.c.lease_until, present.now),
            allowed,
        )
        .values(lease_until=lease.until(present.now, lasts))
    )
    return kept.rowcount == 1


def _still_has(due: Due) -> ColumnElement[bool]:
    if due.earlier_id is None:
        return publications.c.activity_id == due.activity_id
    return sent_again.to_be_deleted() == due.earlier_id


async def release(transaction: Transaction, token: str) -> None:
    """Release what is claimed with this token."""
    await transaction.execute(
        update(undone).where(undone.c.token == token, is_open).values(**lease.NO_CLAIM)
    )


async def postpone(
    transaction: Transaction, due: Due, until: datetime, *, attempts: int, reason: str
) -> None:
    """Postpone the next attempt, and release the claim."""
    await transaction.execute(
        update(undone)
        .where(*is_claimed(due))
        .values(due_at=until, attempts=attempts, reason=reason, **lease.NO_CLAIM)
    )


def is_claimed(due: Due) -> tuple[ColumnElement[bool], ...]:
    return (undone.c.id == due.id, undone.c.token == due.token, is_open)


async def withdraw_unsent(transaction: Transaction, now: datetime) -> bool:
    """Withdraw publications that must be undone and are not in Pipedrive. Call `end` next.

    Withdraws `WITHDRAWN_AT_ONCE` of them, and returns whether there may be more. Publications that
    are being sent or searched for are settled first.
    """
    # The newest undo comes first: its act withdraws at once, also if an older one was cut short.
    first = _unsent().order_by(undone.c.undo_id.desc(), undone.c.publication_id)
    first = first.limit(WITHDRAWN_AT_ONCE)
    ids = (await transaction.execute(first)).scalars().all()
    if not ids:
        return False
    unsent = and_(
        publications.c.id.in_(ids), publications.c.state.in_(NOTHING_SENT), being_undone()
    )
    # A publication not yet sent again gets its earlier activity back; that one is deleted later.
    taken_back = await sent_again.step_back(transaction, unsent, now)
    await _end_unsent(
        transaction, now, undone.c.publication_id.in_(taken_back), _which(UndoScope.NEWEST)
    )
    moved = await transaction.execute(
        update(publications)
        .where(in_order(unsent))
        .values(
            state=WITHDRAWN,
            due_at=now,
            reason=NOT_SENT_ANY_MORE,
            **lease.NO_CLAIM,
        )
        .returning(publications.c.id, publications.c.looked_at)
    )
    rows = moved.all()
    await _tell_withdrawn(transaction, [row.id for row in rows], now)
    doubtful = [row.id for row in rows if row.looked_at is not None]
    await second_sends.watch(transaction, doubtful, now)
    still_unsent = select(publications.c.id).where(
        publications.c.id.in_(ids), publications.c.state.not_in(SENT)
    )
    await _end_unsent(transaction, now, undone.c.publication_id.in_(still_unsent))
    return len(ids) == WITHDRAWN_AT_ONCE


async def _end_unsent(
    transaction: Transaction, now: datetime, *wanted: ColumnElement[bool]
) -> None:
    """End these open rows: nothing was sent."""
    await transaction.execute(
        update(undone)
        .where(is_open, of_bound_account(), *wanted)
        .values(state=UndoneState.NOT_SENT, ended_at=now, reason=None, **lease.NO_CLAIM)
    )


async def withdraw_all_unsent(transaction: Transaction, now: datetime) -> None:
    """Withdraw all of them, before a switch of the account: they were undone for this one."""
    await ledger.lock(transaction)
    while await withdraw_unsent(transaction, now):
        pass
    await end(transaction, now)


async def _tell_withdrawn(transaction: Transaction, ids: Sequence[int], now: datetime) -> None:
    """Record that these were withdrawn, each with its file, as those whose activity is deleted."""
    withdrawn = await transaction.execute(
        selected().where(publications.c.id.in_(ids)).order_by(publications.c.id)
    )
    happened = [
        NewEvent(
            EventKind.PUBLICATION_WITHDRAWN,
            one.user_key,
            one.gist_id,
            one.id,
            f"{one.filename}: {NOT_SENT_ANY_MORE}",
        )
        for one in map(publication_of, withdrawn)
    ]
    await events.record(transaction, now, *happened)


async def end(transaction: Transaction, now: datetime) -> tuple[int, ...]:
    """End the undos with nothing left to do, and return their ids."""
    waits = select(undone.c.id).where(undone.c.undo_id == undos.c.id, is_open).correlate(undos)
    ended = await transaction.execute(
        update(undos)
        .where(undos.c.ended_at.is_(None), ~waits.exists(), ~undone_deals.waits_in(undos.c.id))
        .values(ended_at=now, stopped_because=None, stopped_at=None)
        .returning(undos.c.id)
    )
    return tuple(ended.scalars())


async def stop(transaction: Transaction, due: Due, reason: str, now: datetime) -> bool:
    """Stop an undo until a person resumes it; return False if only earlier failures wait."""
    untried = func.coalesce(undone.c.reason, "") == ""
    mine = undone.c.undo_id == undos.c.id
    waits = select(undone.c.id).where(mine, is_open, untried).correlate(undos)
    stopped = await transaction.execute(
        update(undos)
        .where(
            undos.c.id == due.undo_id,
            undos.c.stopped_at.is_(None),
            undos.c.ended_at.is_(None),
            waits.exists(),
        )
        .values(stopped_because=reason, stopped_at=now)
    )
    return stopped.rowcount == 1


async def any_due(transaction: Transaction, present: Present) -> bool:
    """Return whether an activity or a deal must be deleted now, or something withdrawn."""
    deletable = _due_for_deletion(present.mode)
    if await transaction.scalar(deletable, {"now": present.now}) is not None:
        return True
    if await undone_deals.any_due(transaction, present):
        return True
    return await transaction.scalar(_unsent().limit(1)) is not None


@cache
def _due_for_deletion(mode: PublishingMode) -> Select[Any]:
    return (
        select(undone.c.id)
        .join(publications, publications.c.id == undone.c.publication_id)
        .join(users, users.c.key == publications.c.user_key)
        .where(
            *_may_be_deleted(mode, lease.NOW),
            undone.c.due_at <= lease.NOW,
            lease.is_free(undone.c.lease_until, lease.NOW),
        )
        .limit(1)
    )


@cache
def _unsent() -> Select[Any]:
    return (
        select(undone.c.publication_id)
        .join(publications, publications.c.id == undone.c.publication_id)
        .where(is_open, of_bound_account(), publications.c.state.not_in(SENT))
    )


async def next_due(
    transaction: Transaction, overall: PublishingMode = PublishingMode.AUTOMATIC
) -> datetime | None:
    """Return when the next activity or deal is due for deletion; None if none is, or may be."""
    when = func.coalesce(undone.c.lease_until, undone.c.due_at, type_=undone.c.due_at.type)
    found: datetime | None = await transaction.scalar(
        select(func.min(when, type_=undone.c.due_at.type))
        .join(publications, publications.c.id == undone.c.publication_id)
        .join(users, users.c.key == publications.c.user_key)
        .where(*_is_to_be_deleted(overall))
    )
    of_deals = await undone_deals.next_due(transaction, overall)
    return min((time for time in (found, of_deals) if time is not None), default=None)


async def check_not_being_undone(transaction: Transaction, publication_id: PublicationId) -> None:
    """Raise PublicationStateError if a publication is being undone."""
    undo_id = await transaction.scalar(
        select(undone.c.undo_id)
        .where(undone.c.publication_id == publication_id, is_open, of_bound_account())
        .limit(1)
    )
    if undo_id is not None:
        raise PublicationStateError(
            f"publication {publication_id} is being undone by undo {undo_id}; "
            "send it again once it is withdrawn"
        )
