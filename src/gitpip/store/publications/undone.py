"""What is being undone: claimed, and recorded as deleted, kept, or never sent.

One row for each publication of an undo. `now` is the time by our own clock.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update

from gitpip.errors import PublicationStateError
from gitpip.model import ActivityId, DealId, GistId, PublicationId, PublicationState, UserKey
from gitpip.modes import PublishingMode
from gitpip.store import events, lease
from gitpip.store.database import Transaction
from gitpip.store.events import EventKind, NewEvent
from gitpip.store.locking import in_order
from gitpip.store.publications.being_undone import being_undone, of_bound_account
from gitpip.store.publications.permission import Present, mode_of, not_paused_by_a_person
from gitpip.store.rows import in_pieces, reader
from gitpip.store.schema import amendments, gist_files, publications, second_sends, users
from gitpip.store.schema_undo import UndoneState, is_open, undone, undos

NOT_IN_PIPEDRIVE = (
    PublicationState.PENDING.value,
    PublicationState.HELD.value,
    PublicationState.FAILED.value,
)
"""States of which nothing is in Pipedrive, and something may be sent."""
UNSETTLED = (
    PublicationState.PUBLISHED.value,
    PublicationState.SENDING.value,
    PublicationState.UNCERTAIN.value,
)
WITHDRAWN = PublicationState.WITHDRAWN.value
NOT_SENT_ANY_MORE = "undone before it was sent"
LATE = timedelta(hours=1)
"""So long after it was withdrawn, a request that was taken for lost is expected to land."""


@dataclass(frozen=True)
class Due:
    """A claimed row: an activity that is to be deleted."""

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


_due = reader(Due)


def _is_not_stopped() -> ColumnElement[bool]:
    return (
        select(undos.c.id)
        .where(undos.c.id == undone.c.undo_id, undos.c.stopped_at.is_(None))
        .correlate(undone)
        .exists()
    )


def _is_to_be_deleted(overall: PublishingMode) -> tuple[ColumnElement[bool], ...]:
    """Also of a user who is paused, removed or opted out: it was asked for by a person."""
    return (
        is_open,
        of_bound_account(),
        _is_not_stopped(),
        publications.c.state == PublicationState.PUBLISHED.value,
        mode_of(users, overall) != PublishingMode.DRY_RUN.value,
    )


def _may_be_deleted(present: Present) -> tuple[ColumnElement[bool], ...]:
    return (*_is_to_be_deleted(present.mode), not_paused_by_a_person(present.now))


async def claim(
    transaction: Transaction, *, token: str, present: Present, lasts: timedelta, limit: int
) -> tuple[Due, ...]:
    """Take up to `limit` activities that are to be deleted now."""
    free = (
        select(undone.c.id)
        .join(publications, publications.c.id == undone.c.publication_id)
        .join(users, users.c.key == publications.c.user_key)
        .where(
            *_may_be_deleted(present),
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
            publications.c.user_key,
            publications.c.marker,
            publications.c.activity_id,
            publications.c.deal_id,
            publications.c.note_written_at,
            users.c.login,
            gist_files.c.gist_id,
            gist_files.c.filename,
        )
        .join(publications, publications.c.id == undone.c.publication_id)
        .join(users, users.c.key == publications.c.user_key)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .where(undone.c.id.in_(ids))
        .order_by(undone.c.due_at, undone.c.id)
    )
    return tuple(map(_due, rows))


async def may_still_be_deleted(
    transaction: Transaction, due: Due, present: Present, lasts: timedelta
) -> bool:
    """Whether a claimed activity may still be deleted; if so, the claim lasts anew."""
    allowed = (
        select(publications.c.id)
        .join(users, users.c.key == publications.c.user_key)
        .where(
            publications.c.id == due.publication_id,
            publications.c.activity_id == due.activity_id,
            *_may_be_deleted(present),
        )
        .correlate(undone)
        .exists()
    )
    kept = await transaction.execute(
        update(undone)
        .where(
            *_claimed(due),
            lease.lasts(undone.c.lease_until, present.now),
            allowed,
        )
        .values(lease_until=lease.until(present.now, lasts))
    )
    return kept.rowcount == 1


async def release(transaction: Transaction, token: str) -> None:
    """Hand back what is claimed with this token."""
    await transaction.execute(
        update(undone).where(undone.c.token == token, is_open).values(token=None, lease_until=None)
    )


async def postpone(
    transaction: Transaction, due: Due, until: datetime, *, attempts: int, reason: str
) -> None:
    """Try it again later."""
    await transaction.execute(
        update(undone)
        .where(*_claimed(due))
        .values(due_at=until, attempts=attempts, reason=reason, token=None, lease_until=None)
    )


async def leave(
    transaction: Transaction, due: Due, state: UndoneState, reason: str, now: datetime
) -> bool:
    """Note that an activity stays in Pipedrive, and why; False when the claim was lost."""
    result = await transaction.execute(
        update(undone)
        .where(*_claimed(due))
        .values(
            state=state,
            activity_id=due.activity_id,
            reason=reason,
            ended_at=now,
            token=None,
            lease_until=None,
        )
    )
    if result.rowcount:
        await events.record(
            transaction, now, _event(EventKind.PUBLICATION_KEPT, due, f"{due.filename}: {reason}")
        )
    return result.rowcount == 1


async def deleted(transaction: Transaction, due: Due, reason: str | None, now: datetime) -> bool:
    """Note that an activity is gone; False when the claim was lost, or it has another one by now.

    Then the other one is deleted, too.
    """
    withdrawn = await transaction.execute(
        update(publications)
        .where(
            publications.c.id == due.publication_id,
            publications.c.state == PublicationState.PUBLISHED.value,
            publications.c.activity_id == due.activity_id,
        )
        .values(
            state=WITHDRAWN,
            activity_id=None,
            deleted_activity_id=due.activity_id,
            published_at=None,
            note_written_at=None,
            # Also if it was adopted: else it would look like a database that was set back.
            sent_at=func.coalesce(publications.c.sent_at, now),
            due_at=now,
            reason=f"undone: undo {due.undo_id}" + (f"; {reason}" if reason else ""),
            token=None,
            lease_until=None,
        )
    )
    if not withdrawn.rowcount:
        await postpone(transaction, due, now, attempts=due.attempts, reason="")
        return False
    await transaction.execute(
        delete(amendments).where(amendments.c.publication_id == due.publication_id)
    )
    await transaction.execute(
        update(undone)
        .where(undone.c.id == due.id, is_open)
        .values(
            state=UndoneState.DELETED,
            activity_id=due.activity_id,
            reason=reason,
            ended_at=now,
            token=None,
            lease_until=None,
        )
    )
    await events.record(
        transaction, now, _event(EventKind.PUBLICATION_WITHDRAWN, due, due.filename)
    )
    return True


def _event(kind: EventKind, due: Due, detail: str) -> NewEvent:
    return NewEvent(kind, due.user_key, due.gist_id, due.publication_id, detail)


def _claimed(due: Due) -> tuple[ColumnElement[bool], ...]:
    return (undone.c.id == due.id, undone.c.token == due.token, is_open)


async def withdraw_unsent(transaction: Transaction, now: datetime) -> int:
    """Withdraw what is to be undone and is not in Pipedrive; give how many rows that settles.

    What is being sent or looked for is settled first.
    """
    unsent = and_(publications.c.state.in_(NOT_IN_PIPEDRIVE), being_undone())
    moved = await transaction.execute(
        update(publications)
        .where(in_order(unsent))
        .values(
            state=WITHDRAWN,
            due_at=now,
            reason=NOT_SENT_ANY_MORE,
            token=None,
            lease_until=None,
        )
        .returning(publications.c.id, publications.c.looked_at)
    )
    doubtful = [row.id for row in moved if row.looked_at is not None]
    await _watch(transaction, doubtful, now)
    done = await transaction.execute(
        update(undone)
        .where(
            is_open,
            of_bound_account(),
            undone.c.publication_id.in_(
                select(publications.c.id).where(publications.c.state.not_in(UNSETTLED))
            ),
        )
        .values(state=UndoneState.NOT_SENT, ended_at=now, reason=None, token=None, lease_until=None)
    )
    await _end(transaction, now)
    return done.rowcount


async def _watch(transaction: Transaction, ids: Collection[int], now: datetime) -> None:
    """Look again at what was in doubt once: its first request may still land."""
    for some in in_pieces(list(ids)):
        known = await transaction.execute(
            select(second_sends.c.publication_id).where(second_sends.c.publication_id.in_(some))
        )
        new = set(some) - set(known.scalars())
        if new:
            await transaction.execute(
                insert(second_sends), [{"publication_id": each, "due_at": now} for each in new]
            )


async def _end(transaction: Transaction, now: datetime) -> None:
    """End the undos of which nothing waits."""
    waits = select(undone.c.id).where(undone.c.undo_id == undos.c.id, is_open).correlate(undos)
    await transaction.execute(
        update(undos)
        .where(undos.c.ended_at.is_(None), ~waits.exists())
        .values(ended_at=now, stopped_because=None, stopped_at=None)
    )


async def end(transaction: Transaction, now: datetime) -> None:
    """End the undos of which nothing waits any more."""
    await _end(transaction, now)


async def stop(transaction: Transaction, due: Due, reason: str, now: datetime) -> None:
    """Stop an undo until a person lets it go on; hand back what is claimed of it."""
    await transaction.execute(
        update(undos)
        .where(undos.c.id == due.undo_id, undos.c.stopped_at.is_(None), undos.c.ended_at.is_(None))
        .values(stopped_because=reason, stopped_at=now)
    )
    await transaction.execute(
        update(undone)
        .where(undone.c.undo_id == due.undo_id, undone.c.token == due.token, is_open)
        .values(token=None, lease_until=None)
    )


async def any_due(transaction: Transaction, present: Present) -> bool:
    """Whether an activity is to be deleted now, or something is to be withdrawn."""
    deletable = (
        select(undone.c.id)
        .join(publications, publications.c.id == undone.c.publication_id)
        .join(users, users.c.key == publications.c.user_key)
        .where(
            *_may_be_deleted(present),
            undone.c.due_at <= present.now,
            lease.is_free(undone.c.lease_until, present.now),
        )
        .limit(1)
    )
    if await transaction.scalar(deletable) is not None:
        return True
    unsent = (
        select(undone.c.id)
        .join(publications, publications.c.id == undone.c.publication_id)
        .where(is_open, of_bound_account(), publications.c.state.not_in(UNSETTLED))
        .limit(1)
    )
    return await transaction.scalar(unsent) is not None


async def next_due(
    transaction: Transaction, overall: PublishingMode = PublishingMode.AUTOMATIC
) -> datetime | None:
    """When the next activity is to be deleted; None when none is, or may be."""
    when = func.coalesce(undone.c.lease_until, undone.c.due_at, type_=undone.c.due_at.type)
    found: datetime | None = await transaction.scalar(
        select(func.min(when, type_=undone.c.due_at.type))
        .join(publications, publications.c.id == undone.c.publication_id)
        .join(users, users.c.key == publications.c.user_key)
        .where(*_is_to_be_deleted(overall))
    )
    return found


async def check_not_being_undone(transaction: Transaction, publication_id: PublicationId) -> None:
    """Raise PublicationStateError where a publication is to be undone."""
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


async def landed_late(
    transaction: Transaction,
    publication_id: PublicationId,
    added_at: datetime | None,
    now: datetime,
) -> None:
    """Undo a publication that was withdrawn, and whose activity was found in a list after that.

    `added_at` is by Pipedrive's clock. What was added long after it was withdrawn was sent on
    purpose, by a database that knows nothing of the undo or has lost what came after it.
    """
    last = (
        await transaction.execute(
            select(undone.c.id, undone.c.undo_id, undone.c.ended_at)
            .where(undone.c.publication_id == publication_id, of_bound_account())
            .order_by(undone.c.id.desc())
            .limit(1)
        )
    ).one_or_none()
    if last is None or last.ended_at is None:
        return
    if added_at is not None and added_at > last.ended_at + LATE:
        return
    await transaction.execute(
        update(undone)
        .where(undone.c.id == last.id)
        .values(state=UndoneState.WAITING, ended_at=None, due_at=now, attempts=0, reason=None)
    )
    await transaction.execute(update(undos).where(undos.c.id == last.undo_id).values(ended_at=None))
