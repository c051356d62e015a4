"""Repairs: acts on many publications at once, done piece by piece, with their progress.

The publications of a repair are chosen when it begins, and stored in rows. A piece changes some of
them and deletes their rows, in one transaction: a repair that was cut short continues where it
stopped, and a second attempt does nothing twice.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    delete,
    false,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)

from gitpip.errors import PublicationNotFound, RepairNotFound
from gitpip.model import PublicationState, UserKey
from gitpip.store import events, lease, ledger, visibility
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Transaction
from gitpip.store.publications import approvals, causes, deals, sent_again
from gitpip.store.publications.being_undone import being_undone
from gitpip.store.publications.causes import Cause
from gitpip.store.publications.permission import opted_out_keys
from gitpip.store.publications.publications import SKIPPED_BY_A_PERSON, moved, skipped_by
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.rows import reader
from gitpip.store.schema import deals as deal_rows
from gitpip.store.schema import publications
from gitpip.store.schema_access import Via
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import RepairAct, repair_items, repairs
from gitpip.store.visibility import of_tracked

RepairId = NewType("RepairId", int)

REPAIRED_AT_ONCE = 500
"""The number of publications that are changed in one transaction."""
MAX_REPAIRS_LISTED = 100
"""The number of repairs that are listed."""
PENDING, HELD = PublicationState.PENDING, PublicationState.HELD
FAILED, SKIPPED = PublicationState.FAILED, PublicationState.SKIPPED
POSSIBLE = {
    RepairAct.RETRY: (FAILED, PENDING, HELD, SKIPPED, PublicationState.WITHDRAWN),
    RepairAct.SKIP: (FAILED, PENDING, HELD),
    RepairAct.APPROVE: (HELD,),
    RepairAct.HOLD: (PENDING,),
    RepairAct.SEND_AGAIN: (PublicationState.PUBLISHED, PublicationState.WITHDRAWN),
}
"""The states in which each act can be done."""
# A file about which a person or a rule decided is sent only if a person says so explicitly.
MEANT = POSSIBLE | {
    RepairAct.RETRY: (FAILED, PENDING),
    RepairAct.SEND_AGAIN: (PublicationState.PUBLISHED,),
}
"""The states that a filter means if it names none."""
SENDS = frozenset({RepairAct.RETRY, RepairAct.APPROVE, RepairAct.SEND_AGAIN})
"""Acts after which something is sent: the publisher is woken, and opt-outs count."""


@dataclass(frozen=True)
class Repair:
    """One act on many publications. Times are UTC."""

    id: RepairId
    act: RepairAct
    wanted: str
    """The filter in words, for people; empty if it names a user who was removed since."""
    begun_by: str
    begun_via: Via
    """The door by which it was begun."""
    total: int
    done: int
    changed: int
    """The number of publications that had changed before their turn, and were left."""
    started_at: datetime
    moved_at: datetime
    ended_at: datetime | None

    def cut_short(self, now: datetime) -> bool:
        """Return whether the process that ran it stopped before the end."""
        return self.ended_at is None and now - self.moved_at > lease.CUT_SHORT_AFTER

    @property
    def left(self) -> timedelta | None:
        """The estimated time until it ends; None if that is unknown, or it has ended."""
        gone = self.done + self.changed
        if not gone or self.ended_at:
            return None
        return (self.moved_at - self.started_at) * ((self.total - gone) / gone)


@dataclass(frozen=True)
class StateCount:
    """The number of publications in a state."""

    state: PublicationState
    publications: int


class PublicationLeftBecause(StrEnum):
    """Why an act is not done to publications, besides their state."""

    BEING_UNDONE = "being-undone"
    PART = "part"
    """They are in the activity of another file, and are sent with that one."""
    OPTED_OUT = "opted-out"
    SEARCHED_FOR = "searched-for"
    """They were sent twice within the last hour, and gitpip searches for a second activity."""
    CREDENTIALS = "credentials"
    """They may hold credentials: a person decides about each."""


LEFT = {
    PublicationLeftBecause.BEING_UNDONE: "being undone",
    PublicationLeftBecause.PART: "in the activity of another file, and sent with it",
    PublicationLeftBecause.OPTED_OUT: "the person opted out",
    PublicationLeftBecause.SEARCHED_FOR: (
        "sent twice within the last hour, so gitpip searches for a duplicate"
    ),
    PublicationLeftBecause.CREDENTIALS: "may hold credentials, so each needs its own decision",
}
"""The same in words."""


@dataclass(frozen=True)
class LeftCount:
    """Publications that an act leaves as they are."""

    state: PublicationState
    because: PublicationLeftBecause | None
    """None if the state does not allow the act, or if the filter does not mean it."""
    publications: int


@dataclass(frozen=True)
class Counted:
    """The effect that a repair would have, before it begins."""

    total: int
    """The number of publications that it would change."""
    states: tuple[StateCount, ...]
    """These publications by their states."""
    causes: tuple[Cause, ...]
    """These publications by their causes."""
    left: tuple[LeftCount, ...]
    """The other publications found."""


_repair = reader(Repair)


def states_meant(act: RepairAct, wanted: PublicationFilter) -> tuple[PublicationState, ...]:
    """Return the states in which an act is done to what a filter finds."""
    if wanted.states or wanted.ids:
        return tuple(
            state for state in POSSIBLE[act] if not wanted.states or state in wanted.states
        )
    return MEANT[act]


def _chosen(
    act: RepairAct, wanted: PublicationFilter, *, reviewed: bool = True
) -> ColumnElement[bool]:
    states = [state.value for state in states_meant(act, wanted)]
    chosen = [wanted.condition, publications.c.state.in_(states), _allows(act)]
    if act in SENDS and not (wanted.ids and reviewed):
        # A person checks each of these: no answer about many approves them.
        asks = func.coalesce(approvals.ASKS_ABOUT_CREDENTIALS, false())
        chosen.append(not_(asks))
    return and_(*chosen)


def _allows(act: RepairAct) -> ColumnElement[bool]:
    """Return the conditions of an act on a publication besides its state."""
    # A file that is in the activity of another one is sent with that one.
    allowed = [
        of_tracked(publications.c.user_key),
        publications.c.part_of.is_(None),
        ~being_undone(),
    ]
    if act is RepairAct.HOLD:
        allowed.append(approvals.WAITS_UNSENT)
    if act is RepairAct.SEND_AGAIN:
        allowed.append(sent_again.may_be_sent_again())
    if act is RepairAct.RETRY:
        not_undone = publications.c.state != PublicationState.WITHDRAWN.value
        allowed.append(or_(not_undone, ~sent_again.is_awaited()))
    if act in SENDS:
        allowed.append(publications.c.user_key.not_in(opted_out_keys()))
    return and_(*allowed)


async def count(
    transaction: Transaction, act: RepairAct, wanted: PublicationFilter, *, reviewed: bool = True
) -> Counted:
    """Return what a repair would do. Raises PublicationNotFound if a named one is missing.

    `reviewed`: whether the person has seen what those named by their ids hold.
    """
    await _check_named(transaction, wanted)
    chosen = _chosen(act, wanted, reviewed=reviewed)
    states = await _by_state(transaction, chosen)
    return Counted(
        total=sum(one.publications for one in states),
        states=states,
        causes=await causes.where(transaction, chosen),
        left=await _left(transaction, act, wanted, chosen),
    )


async def _by_state(
    transaction: Transaction, wanted: ColumnElement[bool]
) -> tuple[StateCount, ...]:
    rows = await transaction.execute(
        select(publications.c.state, func.count())
        .where(wanted)
        .group_by(publications.c.state)
        .order_by(publications.c.state)
    )
    return tuple(StateCount(PublicationState(state), number) for state, number in rows)


async def _left(
    transaction: Transaction, act: RepairAct, wanted: PublicationFilter, chosen: ColumnElement[bool]
) -> tuple[LeftCount, ...]:
    meant = publications.c.state.in_([state.value for state in states_meant(act, wanted)])
    part = (publications.c.part_of.is_not(None), PublicationLeftBecause.PART.value)
    sent = literal(act in SENDS)
    gone = publications.c.user_key.in_(opted_out_keys())
    searched_for = and_(literal(act is RepairAct.SEND_AGAIN), ~sent_again.may_be_sent_again())
    reasons = case(
        (being_undone(), PublicationLeftBecause.BEING_UNDONE.value),
        part,
        (and_(sent, gone), PublicationLeftBecause.OPTED_OUT.value),
        (searched_for, PublicationLeftBecause.SEARCHED_FOR.value),
        (and_(sent, approvals.ASKS_ABOUT_CREDENTIALS), PublicationLeftBecause.CREDENTIALS.value),
    )
    left: list[LeftCount] = []
    for because, where in (
        (reasons, and_(meant, not_(func.coalesce(chosen, false())))),
        # Most publications of a large account are sent. Their state is reason enough, and asking
        # for the others took five times as long (300,000 publications).
        (case(part), not_(meant)),
    ):
        why = because.label("why")
        rows = await transaction.execute(
            select(publications.c.state, why, func.count())
            .where(wanted.condition, where)
            .group_by(publications.c.state, why)
        )
        left += [
            LeftCount(
                PublicationState(state), PublicationLeftBecause(word) if word else None, number
            )
            for state, word, number in rows
        ]
    return tuple(sorted(left, key=lambda one: (one.state, one.because or "")))


async def _check_named(transaction: Transaction, wanted: PublicationFilter) -> None:
    if not wanted.ids:
        return
    found = set(
        (
            await transaction.execute(
                select(publications.c.id).where(PublicationFilter(ids=wanted.ids).condition)
            )
        ).scalars()
    )
    for each in wanted.ids:
        if each not in found:
            raise PublicationNotFound(f"there is no publication {each}")


async def begin(
    transaction: Transaction,
    act: RepairAct,
    wanted: PublicationFilter,
    *,
    by: Actor,
    now: datetime,
    reviewed: bool = True,
) -> Repair:
    """Choose the publications of a repair; nothing of them is changed yet.

    Publications that match the filter later are not included. `reviewed`, and what it raises: as
    with `count`.
    """
    await _check_named(transaction, wanted)
    inserted = await transaction.execute(
        insert(repairs)
        .values(
            act=act,
            wanted=wanted.in_words,
            begun_by=by.name[:120],
            begun_via=by.via,
            total=0,
            started_at=now,
            moved_at=now,
        )
        .returning(repairs.c.id)
    )
    repair_id = RepairId(inserted.scalar_one())
    chosen = select(literal(repair_id), publications.c.id, publications.c.state).where(
        _chosen(act, wanted, reviewed=reviewed)
    )
    await transaction.execute(
        insert(repair_items).from_select(["repair_id", "publication_id", "state"], chosen)
    )
    items = select(func.count()).where(repair_items.c.repair_id == repair_id)
    total = await transaction.scalar(items) or 0  # on PostgreSQL no result tells the number
    await transaction.execute(
        update(repairs)
        .where(repairs.c.id == repair_id)
        .values(total=total, ended_at=None if total else now)
    )
    return await get(transaction, repair_id)


async def advance(
    transaction: Transaction, repair_id: RepairId, *, by: str, now: datetime
) -> Repair:
    """Do the act to the next piece; a repair that is over stays as it is.

    A publication that is in another state than when it was chosen, as it was sent meanwhile, is
    left. Raises RepairNotFound.
    """
    await ledger.lock(transaction)
    locked = select(repairs).where(repairs.c.id == repair_id).with_for_update()
    row = (await transaction.execute(locked)).one_or_none()
    if row is None:
        raise RepairNotFound(f"there is no repair {repair_id}")
    repair = _repair(row)
    if repair.ended_at:
        return repair
    items = (
        await transaction.execute(
            select(repair_items.c.publication_id, repair_items.c.state)
            .where(repair_items.c.repair_id == repair_id)
            .order_by(repair_items.c.publication_id)
            .limit(REPAIRED_AT_ONCE)
        )
    ).all()
    ids = [item.publication_id for item in items]
    groups: defaultdict[PublicationState, list[int]] = defaultdict(list)
    for item in items:
        groups[item.state].append(item.publication_id)
    await transaction.execute(  # all of them in their order; see `gitpip.store.locking`
        select(publications.c.id)
        .where(publications.c.id.in_(ids))
        .order_by(publications.c.id)
        .with_for_update()
    )
    done = 0
    for state, some in groups.items():
        done += await _apply(transaction, repair.act, (state, some), by=by, now=now)
    await transaction.execute(
        delete(repair_items).where(
            repair_items.c.repair_id == repair_id, repair_items.c.publication_id.in_(ids)
        )
    )
    over = len(ids) < REPAIRED_AT_ONCE
    await transaction.execute(
        update(repairs)
        .where(repairs.c.id == repair_id)
        .values(
            done=repair.done + done,
            changed=repair.total - repair.done - done if over else repair.changed + len(ids) - done,
            moved_at=now,
            ended_at=now if over else None,
        )
    )
    return await get(transaction, repair_id)


async def _apply(
    transaction: Transaction,
    act: RepairAct,
    chosen: tuple[PublicationState, Sequence[int]],
    *,
    by: str,
    now: datetime,
) -> int:
    """Do the act to those of these that are still in this state; return their number."""
    state, ids = chosen
    still = and_(publications.c.id.in_(ids), publications.c.state == state.value, _allows(act))
    if act in {RepairAct.RETRY, RepairAct.SEND_AGAIN}:
        await _retry_deals(transaction, still, now)
    if act is RepairAct.SEND_AGAIN:
        keys = await sent_again.send(transaction, still, by=by, now=now)
        why = approvals.SENT_AGAIN_BY_A_PERSON
        kind = EventKind.PUBLICATIONS_RETRIED
        await events.record_files(transaction, now, kind, keys, why)
        return len(keys)
    values = {
        RepairAct.RETRY: moved(PENDING, None, now) | {"approved_at": now, "approved_by": by},
        RepairAct.SKIP: moved(SKIPPED, skipped_by(by), now),
        RepairAct.APPROVE: approvals.approved(now, by),
        RepairAct.HOLD: approvals.held_by_person(now),
    }
    result = await transaction.execute(
        update(publications).where(still).values(values[act]).returning(publications.c.user_key)
    )
    keys = result.scalars().all()
    if act is RepairAct.SKIP:
        # A file that is skipped before it is sent again is in Pipedrive as before.
        await sent_again.step_back(transaction, publications.c.id.in_(ids), now)
    told = {
        RepairAct.SKIP: (EventKind.PUBLICATIONS_SKIPPED, SKIPPED_BY_A_PERSON),
        RepairAct.APPROVE: (EventKind.PUBLICATIONS_APPROVED, approvals.APPROVED_BY_A_PERSON),
        RepairAct.HOLD: (EventKind.PUBLICATIONS_HELD, approvals.HELD_BY_A_PERSON),
    }
    if act is RepairAct.RETRY and state in approvals.EVENT_OF_RETRY:
        told[act] = approvals.EVENT_OF_RETRY[state]
    if act in told:
        kind, why = told[act]
        await events.record_files(transaction, now, kind, keys, why)
    return len(keys)


async def _retry_deals(transaction: Transaction, which: ColumnElement[bool], now: datetime) -> None:
    """Have the deals that these publications wait for tried again."""
    stuck = deal_rows.c.state.in_([FAILED.value, PENDING.value])
    owners = select(publications.c.user_key).where(which)
    found = await transaction.execute(
        select(deal_rows.c.user_key)
        .where(stuck, deal_rows.c.user_key.in_(owners))
        .order_by(deal_rows.c.user_key)
    )
    for user_key in found.scalars().all():
        await deals.retry(transaction, UserKey(user_key), now)


async def cut_short(transaction: Transaction, now: datetime) -> tuple[Repair, ...]:
    """Return the repairs that were cut short, the oldest first."""
    found = await transaction.execute(
        select(repairs)
        .where(repairs.c.ended_at.is_(None), repairs.c.moved_at < now - lease.CUT_SHORT_AFTER)
        .order_by(repairs.c.id)
    )
    return tuple(map(_repair, found))


async def get(transaction: Transaction, repair_id: RepairId) -> Repair:
    """Return one repair; raises RepairNotFound."""
    row = (
        await transaction.execute(select(repairs).where(repairs.c.id == repair_id))
    ).one_or_none()
    if row is None:
        raise RepairNotFound(f"there is no repair {repair_id}")
    (shown,) = await _shown(transaction, [_repair(row)])
    return shown


async def latest(transaction: Transaction, *, limit: int) -> tuple[Repair, ...]:
    """Return the last repairs, newest first."""
    found = await transaction.execute(select(repairs).order_by(repairs.c.id.desc()).limit(limit))
    return await _shown(transaction, [_repair(row) for row in found])


async def _shown(transaction: Transaction, found: Sequence[Repair]) -> tuple[Repair, ...]:
    kept = await visibility.without_removed(transaction, [one.wanted for one in found])
    return tuple(one if one.wanted in kept else replace(one, wanted="") for one in found)
