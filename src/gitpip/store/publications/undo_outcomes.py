"""The outcomes of an undo: deleted, kept in Pipedrive, or failed. `now` is our own time."""

from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, select, update

from gitpip.model import PublicationId, PublicationState
from gitpip.store import events, lease
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.publications import sent_again, undo_troubles
from gitpip.store.publications.being_undone import of_bound_account
from gitpip.store.publications.undone import WITHDRAWN, Due, is_claimed, postpone
from gitpip.store.schema import publications
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import amendments, earlier_activities
from gitpip.store.schema_undo import UndoneState, UndoScope, is_open, undone, undos

LATE_ARRIVAL_WITHIN = timedelta(hours=1)
"""How long after the withdrawal a request that seemed lost is expected to arrive."""


async def leave(
    transaction: Transaction, due: Due, state: UndoneState, reason: str, now: datetime
) -> bool:
    """Record that an activity stays in Pipedrive, and why; return False if the claim was lost."""
    if due.earlier_id is not None and state is UndoneState.KEPT:
        return await _settle_earlier(transaction, due, now, kept_because=reason)
    result = await transaction.execute(
        update(undone)
        .where(*is_claimed(due))
        .values(
            state=state,
            activity_id=due.activity_id,
            reason=reason,
            ended_at=now,
            **lease.NO_CLAIM,
        )
    )
    if result.rowcount:
        await undo_troubles.note(transaction, due.undo_id, state, now)
        await events.record(
            transaction, now, _event(EventKind.PUBLICATION_KEPT, due, f"{due.filename}: {reason}")
        )
    return result.rowcount == 1


async def deleted(transaction: Transaction, due: Due, reason: str | None, now: datetime) -> bool:
    """Record that an activity is deleted.

    Return False if the claim was lost, or the publication has another activity by now. Then the
    other one is deleted, too.
    """
    if due.earlier_id is not None:
        return await _settle_earlier(transaction, due, now, kept_because=None)
    if due.which is UndoScope.NEWEST and await _has_earlier(transaction, due):
        return await _taken_back(transaction, due, reason, now)
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
            # Also if it was adopted: otherwise it would look like a database that was set back.
            sent_at=func.coalesce(publications.c.sent_at, now),
            due_at=now,
            reason=f"undone: undo {due.undo_id}" + (f"; {reason}" if reason else ""),
            **lease.NO_CLAIM,
        )
    )
    if not withdrawn.rowcount:
        await _next_activity(transaction, due, now)
        return False
    await transaction.execute(
        delete(amendments).where(amendments.c.publication_id == due.publication_id)
    )
    await _end_row(transaction, due, reason, now)
    await events.record(
        transaction, now, _event(EventKind.PUBLICATION_WITHDRAWN, due, due.filename)
    )
    return True


async def _end_row(transaction: Transaction, due: Due, reason: str | None, now: datetime) -> None:
    """Record that a publication is undone, or which earlier activity of it is kept, and why."""
    kept = None if due.which is UndoScope.NEWEST else await _first_kept(transaction, due)
    await transaction.execute(
        update(undone)
        .where(undone.c.id == due.id, is_open)
        .values(
            state=UndoneState.KEPT if kept else UndoneState.DELETED,
            activity_id=kept[0] if kept else due.activity_id,
            reason=kept[1] if kept else reason,
            ended_at=now,
            **lease.NO_CLAIM,
        )
    )


async def _first_kept(transaction: Transaction, due: Due) -> tuple[int, str] | None:
    """Return the oldest earlier activity that an undo left in Pipedrive."""
    rows = await transaction.execute(
        select(earlier_activities.c.activity_id, earlier_activities.c.kept_because)
        .where(
            earlier_activities.c.publication_id == due.publication_id,
            earlier_activities.c.kept_because.is_not(None),
            sent_again.is_there(),
        )
        .order_by(earlier_activities.c.id)
        .limit(1)
    )
    row = rows.one_or_none()
    return None if row is None else (row.activity_id, row.kept_because)


async def _settle_earlier(
    transaction: Transaction, due: Due, now: datetime, *, kept_because: str | None
) -> bool:
    """Record the outcome of an earlier activity; the next one follows at once.

    Return False if the claim was lost.
    """
    settled = await transaction.execute(
        update(earlier_activities)
        .where(
            earlier_activities.c.id == due.earlier_id,
            earlier_activities.c.activity_id == due.activity_id,
            sent_again.is_there(),
        )
        .values(kept_because=kept_because, deleted_at=None if kept_because else now)
    )
    if kept_because:
        detail = f"{due.filename}: {kept_because}"
        await events.record(transaction, now, _event(EventKind.PUBLICATION_KEPT, due, detail))
    if due.which is UndoScope.EARLIER and not await _has_earlier(transaction, due, unseen=True):
        await _end_row(transaction, due, None, now)
    else:
        await _next_activity(transaction, due, now)
    return settled.rowcount == 1


async def _next_activity(transaction: Transaction, due: Due, now: datetime) -> None:
    """Make another activity of the publication due at once, with attempts of its own."""
    await postpone(transaction, due, now, attempts=0, reason="")


async def _has_earlier(transaction: Transaction, due: Due, *, unseen: bool = False) -> bool:
    which = sent_again.to_be_deleted() if unseen else sent_again.last_earlier()
    of_it = publications.c.id == due.publication_id
    return await transaction.scalar(select(which).where(of_it)) is not None


async def _taken_back(
    transaction: Transaction, due: Due, reason: str | None, now: datetime
) -> bool:
    """Record that the newest activity is deleted, and restore the publication from before it."""
    has_it = and_(
        publications.c.id == due.publication_id,
        publications.c.state == PublicationState.PUBLISHED.value,
        publications.c.activity_id == due.activity_id,
    )
    if not await sent_again.step_back(transaction, has_it, now):
        await _next_activity(transaction, due, now)
        return False
    await transaction.execute(
        delete(amendments).where(amendments.c.publication_id == due.publication_id)
    )
    await _end_row(transaction, due, reason, now)
    return True


def _event(kind: EventKind, due: Due, detail: str) -> NewEvent:
    return NewEvent(kind, due.user_key, due.gist_id, due.publication_id, detail)


async def landed_late(
    transaction: Transaction,
    publication_id: PublicationId,
    added_at: datetime | None,
    now: datetime,
    *,
    taken_back_at: datetime | None = None,
) -> None:
    """Undo a withdrawn publication whose activity was found in a list after that.

    `taken_back_at` is set for what was sent again and taken back: if it was skipped, nothing undoes
    it.

    `added_at` is by Pipedrive's clock. An activity that was added long after the withdrawal was
    sent on purpose, by a database that does not know the undo or lost what came after it.
    """
    last = (
        await transaction.execute(
            select(undone.c.id, undone.c.undo_id, undone.c.ended_at, undos.c.which)
            .join(undos, undos.c.id == undone.c.undo_id)
            .where(undone.c.publication_id == publication_id, of_bound_account())
            .order_by(undone.c.id.desc())
            .limit(1)
        )
    ).one_or_none()
    if last is None or last.ended_at is None:
        return
    if taken_back_at and (last.which is UndoScope.EARLIER or last.ended_at < taken_back_at):
        return
    if added_at is not None and added_at > last.ended_at + LATE_ARRIVAL_WITHIN:
        return
    await transaction.execute(
        update(undone)
        .where(undone.c.id == last.id)
        .values(state=UndoneState.WAITING, ended_at=None, due_at=now, attempts=0, reason=None)
    )
    await transaction.execute(update(undos).where(undos.c.id == last.undo_id).values(ended_at=None))
