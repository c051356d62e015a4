"""Deals that an undo deletes once they are empty: chosen, claimed, postponed, deleted or kept.

Before the request that deletes a deal, its row says so in the same order of locks in which a
publication is marked as being sent under it. So nothing is put under a deal that is being deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, insert, literal, or_, select, update

from gitpip.model import ActivityId, DealId, PublicationState, UserKey
from gitpip.modes import PublishingMode
from gitpip.store import events, lease
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.publications import deal_drifts, deals, made_deals, undo_troubles
from gitpip.store.publications.being_undone import bound_account_key
from gitpip.store.publications.permission import Present, mode_of, not_paused_by_a_person
from gitpip.store.rows import reader
from gitpip.store.schema import deals as deal_rows
from gitpip.store.schema import publications, users
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import earlier_activities
from gitpip.store.schema_targets import targets
from gitpip.store.schema_undo import UndoneState, deal_is_open, undone, undone_deals, undos
from gitpip.store.schema_undo import is_open as publication_is_open
from gitpip.store.schema_undo import made_deals as made
from gitpip.store.visibility import tracked
from gitpip.targets import Target, TargetKind

NOT_MADE = "gitpip did not make it, or no longer knows that it did"
OF_ANOTHER = "it is another person's deal, too"
A_TARGET = "it is the target of a person"
MORE_TO_SEND = "something else is to be sent there"
HOLDS_OURS = "activities that gitpip put there are not undone"
AFTER_OTHERS = timedelta(seconds=1)
"""How much later than the rest of a resumed undo its failures are tried again."""
SETTLED_SOON = timedelta(seconds=10)
"""The wait for what is being sent there or searched for: it is known then, or checked again."""


@dataclass(frozen=True)
class DueDeal:
    """A claimed deal that must be deleted if it is empty."""

    id: int
    undo_id: int
    user_key: UserKey
    login: str
    deal_id: DealId
    title: str
    """The title that gitpip made it with; `value` is the value."""
    value: float | None
    attempts: int
    token: str
    begun_at: datetime | None
    """The time since when a request that deletes it may be under way."""


@dataclass(frozen=True)
class UndoneDeal:
    """One deal of an undo. Times are UTC."""

    deal_id: DealId
    login: str
    state: UndoneState
    reason: str | None
    ended_at: datetime | None


_due = reader(DueDeal)
_undone_deal = reader(UndoneDeal)
_of_bound_account = undone_deals.c.account_key == bound_account_key()
_being_deleted = deal_is_open & _of_bound_account & undone_deals.c.begun_at.is_not(None)


def _made_for(user_keys: Select[tuple[int]]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on deals that gitpip made for these users and no open undo has."""
    same = undone_deals.c.deal_id == made.c.deal_id
    taken = exists().where(same, deal_is_open, _of_bound_account)
    return made.c.account_key == bound_account_key(), made.c.user_key.in_(user_keys), ~taken


async def count(transaction: Transaction, user_keys: Select[tuple[int]]) -> int:
    """Return how many deals might be deleted with what is undone of these users."""
    wanted = select(func.count()).select_from(made).where(*_made_for(user_keys))
    return await transaction.scalar(wanted) or 0


async def begin(
    transaction: Transaction, undo_id: int, user_keys: Select[tuple[int]], now: datetime
) -> None:
    """Add the deals of these users to an undo, and record which ones gitpip did not make."""
    columns = ("undo_id", "user_key", "account_key", "deal_id", "state", "due_at")
    time = literal(now, undone_deals.c.due_at.type)
    account_key = bound_account_key()
    await transaction.execute(
        insert(undone_deals).from_select(
            columns,
            select(
                literal(undo_id),
                made.c.user_key,
                account_key,
                made.c.deal_id,
                literal(UndoneState.WAITING.value),
                time,
            )
            .where(*_made_for(user_keys))
            .order_by(made.c.deal_id),
        )
    )
    known = select(made.c.deal_id).where(made.c.account_key == account_key)
    await transaction.execute(
        insert(undone_deals).from_select(
            (*columns, "ended_at", "reason"),
            select(
                literal(undo_id),
                func.min(deal_rows.c.user_key),
                account_key,
                deal_rows.c.deal_id,
                literal(UndoneState.KEPT.value),
                time,
                time,
                literal(NOT_MADE),
            )
            .where(
                deal_rows.c.user_key.in_(user_keys),
                deal_rows.c.state == PublicationState.PUBLISHED.value,
                deal_rows.c.deal_id.not_in(known),
            )
            .group_by(deal_rows.c.deal_id),
        )
    )


@cache
def _may_be_deleted(overall: PublishingMode) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on a deal that may be deleted.

    They include users who are paused, removed or opted out: a person asked for the undo.
    """
    waits = (
        select(undone.c.id)
        .join(publications, publications.c.id == undone.c.publication_id)
        .where(
            publications.c.user_key == undone_deals.c.user_key,
            publication_is_open,
            undone.c.account_key == undone_deals.c.account_key,
        )
        .correlate(undone_deals)
        .exists()
    )
    not_stopped = (
        select(undos.c.id)
        .where(undos.c.id == undone_deals.c.undo_id, undos.c.stopped_at.is_(None))
        .correlate(undone_deals)
        .exists()
    )
    owner = (
        select(users.c.key)
        .where(
            users.c.key == undone_deals.c.user_key,
            mode_of(users, overall) != PublishingMode.DRY_RUN.value,
        )
        .correlate(undone_deals)
        .exists()
    )
    return deal_is_open, _of_bound_account, not_stopped, ~waits, owner


def _is_due(mode: PublishingMode, now: lease.Now) -> tuple[ColumnElement[bool], ...]:
    return (
        *_may_be_deleted(mode),
        not_paused_by_a_person(now),
        undone_deals.c.due_at <= now,
        lease.is_free(undone_deals.c.lease_until, now),
    )


async def any_due(transaction: Transaction, present: Present) -> bool:
    """Return whether a deal must be checked now."""
    return await transaction.scalar(_any_due(present.mode), {"now": present.now}) is not None


@cache
def _any_due(mode: PublishingMode) -> Select[Any]:
    return select(undone_deals.c.id).where(*_is_due(mode, lease.NOW)).limit(1)


async def next_due(transaction: Transaction, overall: PublishingMode) -> datetime | None:
    """Return when the next deal must be checked; None if none must, or may be."""
    time = undone_deals.c.due_at.type
    when = func.coalesce(undone_deals.c.lease_until, undone_deals.c.due_at, type_=time)
    found: datetime | None = await transaction.scalar(
        select(func.min(when, type_=time)).where(*_may_be_deleted(overall))
    )
    return found


async def claim(
    transaction: Transaction, *, token: str, present: Present, lasts: timedelta
) -> DueDeal | None:
    """Claim the next deal for which everything else is undone."""
    free = (
        select(undone_deals.c.id)
        .where(*_is_due(present.mode, present.now))
        .order_by(undone_deals.c.due_at, undone_deals.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    number = await transaction.scalar(free)
    if number is None:
        return None
    await transaction.execute(
        update(undone_deals)
        .where(undone_deals.c.id == number)
        .values(token=token, lease_until=lease.until(present.now, lasts))
    )
    of = undone_deals.c
    rows = await transaction.execute(
        select(
            *(of.id, of.undo_id, of.user_key, of.deal_id, of.attempts, of.token, of.begun_at),
            *(users.c.login, made.c.title, made.c.value),
        )
        .join(users, users.c.key == of.user_key)
        .join(made, (made.c.deal_id == of.deal_id) & (made.c.account_key == of.account_key))
        .where(of.id == number)
    )
    found = rows.one_or_none()
    if found is None:  # its row went with an undo that another process was carrying out
        await transaction.execute(
            update(undone_deals)
            .where(of.id == number)
            .values(ended_at=present.now, **_ended(UndoneState.DELETED, None))
        )
    return None if found is None else _due(found)


def _ended(state: UndoneState, reason: str | None) -> dict[str, object]:
    return {
        "state": state.value,
        "reason": reason,
        **lease.NO_CLAIM,
        "begun_at": None,
    }


def _is_claimed(due: DueDeal) -> tuple[ColumnElement[bool], ...]:
    return undone_deals.c.id == due.id, undone_deals.c.token == due.token, deal_is_open


async def why_kept(transaction: Transaction, due: DueDeal) -> str | None:
    """Return why a deal stays, by stored rows; None if nothing of ours is, or will be, there.

    The rows of the deals are locked until the end of the transaction.
    """
    holders = await transaction.execute(
        select(deal_rows.c.user_key, deal_rows.c.deal_id)
        .where((deal_rows.c.user_key == due.user_key) | (deal_rows.c.deal_id == due.deal_id))
        .order_by(deal_rows.c.user_key)
        .with_for_update()
    )
    users_of = {row.user_key for row in holders if row.deal_id == due.deal_id}
    if users_of - {due.user_key}:
        return OF_ANOTHER
    target = Target(TargetKind.DEAL, str(due.deal_id))
    if await _any(transaction, exists().where(targets.c.target == target)):
        return A_TARGET
    there = or_(
        publications.c.deal_id == due.deal_id,
        publications.c.deal_id.is_(None) & publications.c.user_key.in_(users_of),
    )
    waits = exists().where(there, _in_state(PublicationState.PENDING))
    # Once a request may be under way, nothing can be sent there until it is known to be deleted.
    if due.begun_at is None and await _any(transaction, waits):
        return MORE_TO_SEND
    published = exists().where(there, _in_state(PublicationState.PUBLISHED))
    earlier = exists().where(
        earlier_activities.c.deal_id == due.deal_id,
        earlier_activities.c.account_key == bound_account_key(),
        earlier_activities.c.activity_id.is_not(None),
        earlier_activities.c.deleted_at.is_(None),
    )
    return HOLDS_OURS if await _any(transaction, or_(published, earlier)) else None


async def is_unsettled(transaction: Transaction, due: DueDeal) -> bool:
    """Return whether something is being sent to a deal, or searched for there."""
    unsettled = _in_state(PublicationState.SENDING, PublicationState.UNCERTAIN)
    return await _any(transaction, exists().where(publications.c.deal_id == due.deal_id, unsettled))


def _in_state(*states: PublicationState) -> ColumnElement[bool]:
    return publications.c.state.in_([state.value for state in states])


async def _any(transaction: Transaction, condition: ColumnElement[bool]) -> bool:
    return bool(await transaction.scalar(select(condition)))


async def begin_deleting(
    transaction: Transaction, due: DueDeal, present: Present, lasts: timedelta
) -> bool:
    """Record that a claimed deal is deleted from now on; return False if that is not allowed."""
    begun = await transaction.execute(
        update(undone_deals)
        .where(
            *_is_claimed(due),
            *_may_be_deleted(present.mode),
            not_paused_by_a_person(present.now),
            lease.lasts(undone_deals.c.lease_until, present.now),
        )
        .values(
            begun_at=func.coalesce(undone_deals.c.begun_at, present.now),
            lease_until=lease.until(present.now, lasts),
        )
    )
    return begun.rowcount == 1


async def being_deleted_until(transaction: Transaction, user_key: UserKey) -> datetime | None:
    """Return when a user's deal that is being deleted is checked again; None if it is not."""
    return await transaction.scalar(
        select(undone_deals.c.due_at)
        .join(deal_rows, deal_rows.c.deal_id == undone_deals.c.deal_id)
        .where(deal_rows.c.user_key == user_key, _being_deleted)
        .limit(1)
    )


async def is_being_deleted(transaction: Transaction, user_key: UserKey, deal_id: DealId) -> bool:
    """Return whether a deal takes nothing more; call it after its row began to be sent.

    The row of the user's deal is locked, so that `why_kept` waits for what is being sent.
    """
    await transaction.execute(
        select(deal_rows.c.user_key)
        .where(deal_rows.c.user_key == user_key)
        .with_for_update(read=True)
    )
    wanted = exists().where(undone_deals.c.deal_id == deal_id, _being_deleted)
    return await _any(transaction, wanted)


async def postpone(
    transaction: Transaction, due: DueDeal, until: datetime, *, attempts: int, reason: str | None
) -> None:
    """Check it again later. If no request may be under way, its user's files do not wait."""
    unless_sent = {} if attempts else {"begun_at": None}
    await transaction.execute(
        update(undone_deals)
        .where(*_is_claimed(due))
        .values(
            due_at=until,
            attempts=attempts,
            reason=reason,
            **lease.NO_CLAIM,
            **unless_sent,
        )
    )


async def release(transaction: Transaction, token: str) -> None:
    """Release what is claimed with this token."""
    await transaction.execute(
        update(undone_deals)
        .where(undone_deals.c.token == token, deal_is_open)
        .values(**lease.NO_CLAIM)
    )


async def stop(transaction: Transaction, due: DueDeal, reason: str, now: datetime) -> bool:
    """Stop the undo until a person resumes it; return False if only earlier failures wait."""
    untried = deal_is_open & undone_deals.c.reason.is_(None)
    stopped = await transaction.execute(
        update(undos)
        .where(
            undos.c.id == due.undo_id,
            undos.c.stopped_at.is_(None),
            undos.c.ended_at.is_(None),
            exists().where(undone_deals.c.undo_id == undos.c.id, untried),
        )
        .values(stopped_because=reason, stopped_at=now)
    )
    return stopped.rowcount == 1


async def leave(
    transaction: Transaction, due: DueDeal, state: UndoneState, reason: str, now: datetime
) -> bool:
    """Record that a deal stays in Pipedrive, and why; return False if the claim was lost."""
    result = await transaction.execute(
        update(undone_deals).where(*_is_claimed(due)).values(ended_at=now, **_ended(state, reason))
    )
    if result.rowcount:
        await undo_troubles.note(transaction, due.undo_id, state, now)
        await deal_drifts.ask_again(transaction, due.user_key)
        await events.record(transaction, now, _event(EventKind.DEAL_KEPT, due, f": {reason}"))
    return result.rowcount == 1


async def deleted(
    transaction: Transaction, due: DueDeal, reason: str | None, now: datetime
) -> bool:
    """Record that a deal is deleted: another is made once something of its user is sent.

    Return False if the claim was lost.
    """
    result = await transaction.execute(
        update(undone_deals)
        .where(*_is_claimed(due))
        .values(ended_at=now, **_ended(UndoneState.DELETED, reason))
    )
    if not result.rowcount:
        return False
    await deals.forget_deleted(transaction, due.deal_id, now)
    await made_deals.forget(transaction, due.deal_id)
    await events.record(transaction, now, _event(EventKind.DEAL_DELETED, due, ""))
    return True


def _event(kind: EventKind, due: DueDeal, more: str) -> NewEvent:
    return NewEvent(kind, due.user_key, detail=f"deal {due.deal_id}{more}")


async def deleted_by_us(transaction: Transaction, ids: Sequence[ActivityId]) -> frozenset[int]:
    """Return those that an undo has deleted: a lagging list still shows them."""
    newest = select(publications.c.deleted_activity_id).where(
        publications.c.deleted_activity_id.in_(ids)
    )
    undone_ones = select(undone.c.activity_id).where(
        undone.c.activity_id.in_(ids), undone.c.state == UndoneState.DELETED
    )
    earlier = select(earlier_activities.c.activity_id).where(
        earlier_activities.c.activity_id.in_(ids), earlier_activities.c.deleted_at.is_not(None)
    )
    found = await transaction.execute(newest.union(undone_ones, earlier))
    return frozenset(found.scalars())


async def resume(
    transaction: Transaction, undo_id: int, now: datetime, *, with_activities: bool
) -> int:
    """Try again to delete the deals of an undo that failed; return their number.

    With `with_activities`, the failed activities under them are tried again, too, so deals that
    were kept may become empty.
    """
    mine = undone_deals.c.undo_id == undo_id
    await transaction.execute(update(undone_deals).where(mine, deal_is_open).values(due_at=now))
    tried = undo_troubles.failed_deal()
    if with_activities:
        tried = or_(tried, undone_deals.c.state == UndoneState.KEPT.value)
    waits = {"state": UndoneState.WAITING, "ended_at": None, "attempts": 0}
    again = await transaction.execute(
        update(undone_deals).where(mine, tried).values(due_at=now + AFTER_OTHERS, **waits)
    )
    return again.rowcount


def waits_in(undo_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that a deal of this undo waits to be deleted."""
    mine = select(undone_deals.c.id).where(undone_deals.c.undo_id == undo_id, deal_is_open)
    return mine.correlate_except(undone_deals).exists()


async def counts(
    transaction: Transaction, undo_ids: Sequence[int]
) -> dict[int, dict[UndoneState, int]]:
    """Return how many deals of each of these undos are in each state."""
    rows = await transaction.execute(
        select(undone_deals.c.undo_id, undone_deals.c.state, func.count())
        .where(undone_deals.c.undo_id.in_(undo_ids))
        .group_by(undone_deals.c.undo_id, undone_deals.c.state)
    )
    found: dict[int, dict[UndoneState, int]] = {}
    for undo_id, state, number in rows:
        found.setdefault(undo_id, {})[state] = number
    return found


async def of_undo(
    transaction: Transaction, undo_id: int, *, offset: int, limit: int
) -> tuple[UndoneDeal, ...]:
    """Return a page of the deals of an undo, those of tracked users, by their numbers."""
    of = undone_deals.c
    rows = await transaction.execute(
        select(of.deal_id, users.c.login, of.state, of.reason, of.ended_at)
        .join(users, users.c.key == of.user_key)
        .where(tracked, of.undo_id == undo_id)
        .order_by(of.deal_id)
        .offset(offset)
        .limit(limit)
    )
    return tuple(map(_undone_deal, rows))
