"""Undos of a check, an import or chosen publications: their plans, rows and progress.

An undo is written at once, with a row for each of its publications. The first 500 publications that
were never sent are withdrawn in the same transaction, the others in portions after it. The process
that publishes deletes the activities after that.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NewType

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from gitpip.errors import NothingToUndo, PublicationNotFound, UndoNotFound, UndoNotStopped
from gitpip.model import ActivityId, Page, PublicationId, PublicationState
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.publications import forgotten_activities, sent_again, undo_troubles, undone_deals
from gitpip.store.publications import undone as undone_rows
from gitpip.store.publications.being_undone import being_undone
from gitpip.store.publications.delivered import NOTHING_SENT, SENT
from gitpip.store.publications.undo_choice import UndoChoice, may_be_undone
from gitpip.store.publications.undone import MADE_BY_OTHERS, of_another_tool
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, publications, users
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_publishing import earlier_activities, holder
from gitpip.store.schema_undo import UndoneState, UndoScope, is_open, undone, undos
from gitpip.store.visibility import tracked, without_removed

UndoId = NewType("UndoId", int)

OF_REMOVED = "a user who was removed"
TOKENS_EACH = 4
"""Tokens of Pipedrive's daily budget: reading an activity costs one, deleting it three."""
TOKENS_OF_DEAL = 14
"""Reading a deal costs one token, the list of its activities ten, and deleting it three."""
HOLDS_OTHERS = "its activity holds files that are not undone"


def _is_shared(chosen: UndoChoice) -> ColumnElement[bool]:
    """Return the condition that a choice shares an activity with other files: then it stays.

    If a publication is named, or all of a user, its activity is meant with all its files.
    """
    mine = select(publications.c.id).where(replace(chosen, which=UndoScope.ALL).condition)
    there = holder.c.state.in_((*SENT, *NOTHING_SENT))
    is_part = and_(
        publications.c.part_of.not_in(mine.correlate(None)),
        exists().where(holder.c.id == publications.c.part_of, there),
    )
    if chosen.check_id is None:
        return and_(publications.c.part_of.is_not(None), is_part)
    other = publications.alias()
    with_others = select(other.c.part_of).where(
        other.c.part_of.is_not(None), other.c.id.not_in(mine.correlate(None))
    )
    holds = and_(publications.c.id.in_(with_others), may_be_undone)
    return or_(and_(publications.c.part_of.is_not(None), is_part), holds)


@dataclass(frozen=True)
class UndoPlan:
    """The effect that an undo would have, in publications."""

    subject: str
    to_delete: int
    """The number in Pipedrive."""
    to_settle: int
    """The number being sent or searched for: once that is known, it is deleted or never sent."""
    to_withdraw: int
    """The number that was not sent, and will not be."""
    done: int
    """The number withdrawn already."""
    under_way: int
    """The number being undone already."""
    earlier: int = 0
    """Activities from before a person had the publication sent again; they are deleted, too."""
    which: UndoScope = UndoScope.ALL
    kept: int = 0
    """The number that shares an activity with files that are not undone."""
    kept_of_others: int = 0
    """The number that another tool made and gitpip adopted: an undo deletes only gitpip's own."""
    kept_before: int = 0
    """The number whose activity an earlier undo kept, because a person had changed it."""
    deals: int = 0
    """The number of deals gitpip made for these users: those that are empty then can be deleted."""
    with_deals: bool = False

    @property
    def total(self) -> int:
        """The number of publications that the undo would have."""
        return self.to_delete + self.to_settle + self.to_withdraw

    @property
    def tokens(self) -> int:
        """The most tokens of Pipedrive's daily budget that it takes if nothing fails."""
        of_deals = TOKENS_OF_DEAL * self.deals if self.with_deals else 0
        return TOKENS_EACH * (self.activities + self.to_settle) + of_deals

    @property
    def activities(self) -> int:
        """The number of activities in Pipedrive that would be deleted."""
        return self.earlier + (0 if self.which is UndoScope.EARLIER else self.to_delete)


@dataclass(frozen=True)
class Undo:
    """One undo. Times are UTC."""

    id: UndoId
    subject: str
    asked_at: datetime
    asked_by: str
    total: int
    stopped_because: str | None
    stopped_at: datetime | None
    ended_at: datetime | None
    which: UndoScope = UndoScope.ALL
    with_deals: bool = False
    """Whether deals that gitpip made and that are empty after it are deleted, too."""
    counts: Mapping[UndoneState, int] = field(default_factory=dict)
    """The number of publications in each state."""
    deal_counts: Mapping[UndoneState, int] = field(default_factory=dict)
    """The number of deals in each state."""


@dataclass(frozen=True)
class Undone:
    """One publication of an undo. Times are UTC."""

    publication_id: PublicationId
    login: str
    filename: str
    state: UndoneState
    activity_id: ActivityId | None
    reason: str | None
    ended_at: datetime | None


_undo = reader(Undo, besides=("subject", "counts", "deal_counts"))
_undone = reader(Undone)


async def plan(transaction: Transaction, chosen: UndoChoice) -> UndoPlan:
    """Return what would be undone now. Raises PublicationNotFound if a named one is missing."""
    if chosen.ids:
        named = replace(chosen, which=UndoScope.ALL).condition
        known = await transaction.execute(select(publications.c.id).where(named))
        if missing := sorted(set(chosen.ids) - set(known.scalars())):
            raise PublicationNotFound(f"there is no publication {missing[0]}")
    rows = await transaction.execute(
        select(publications.c.state, being_undone().label("open"), func.count())
        .where(chosen.condition, ~_is_kept(chosen))
        .group_by(publications.c.state, "open")
    )
    counts: Counter[str] = Counter()
    for state, is_being_undone, number in rows:
        counts["under way" if is_being_undone else state] += number
    of = {state: counts[state.value] for state in PublicationState}
    return UndoPlan(
        chosen.subject,
        to_delete=of[PublicationState.PUBLISHED],
        to_settle=of[PublicationState.SENDING] + of[PublicationState.UNCERTAIN],
        to_withdraw=sum(counts[state] for state in NOTHING_SENT),
        done=of[PublicationState.WITHDRAWN],
        under_way=counts["under way"],
        which=chosen.which,
        earlier=await _count_earlier(transaction, chosen),
        kept=await transaction.scalar(_kept(_is_shared(chosen), chosen, func.count())) or 0,
        kept_of_others=await transaction.scalar(
            _kept(_is_of_another_tool(chosen), chosen, func.count())
        )
        or 0,
        kept_before=await _count_kept_before(transaction, chosen),
        deals=await undone_deals.count(transaction, chosen.user_keys),
        with_deals=chosen.with_deals,
    )


def _is_of_another_tool(chosen: UndoChoice) -> ColumnElement[bool]:
    """Return the condition that another tool made a chosen activity; earlier ones are ours."""
    if chosen.which is UndoScope.EARLIER:
        return false()
    return and_(of_another_tool(publications.c.activity_id), ~_is_shared(chosen))


def _is_kept(chosen: UndoChoice) -> ColumnElement[bool]:
    return or_(_is_shared(chosen), _is_of_another_tool(chosen))


def _kept(why: ColumnElement[bool], chosen: UndoChoice, *wanted: ColumnElement[Any]) -> Select[Any]:
    return select(*wanted).select_from(publications).where(chosen.condition, why, ~being_undone())


async def _count_kept_before(transaction: Transaction, chosen: UndoChoice) -> int:
    kept_before = (
        select(undone.c.id)
        .where(
            undone.c.publication_id == publications.c.id,
            undone.c.activity_id == publications.c.activity_id,
            undone.c.state == UndoneState.KEPT.value,
        )
        .exists()
    )
    is_published = publications.c.state == PublicationState.PUBLISHED.value
    found = await transaction.scalar(
        select(func.count())
        .select_from(publications)
        .where(chosen.condition, is_published, ~being_undone(), ~_is_kept(chosen), kept_before)
    )
    return found or 0


async def _count_earlier(transaction: Transaction, chosen: UndoChoice) -> int:
    if chosen.which is UndoScope.NEWEST:
        return 0
    chosen_ones = and_(chosen.condition, may_be_undone, ~being_undone(), ~_is_kept(chosen))
    lost = await transaction.scalar(
        select(func.sum(forgotten_activities.number())).select_from(publications).where(chosen_ones)
    )
    known = await transaction.scalar(
        select(func.count())
        .select_from(earlier_activities)
        .join(publications, publications.c.id == earlier_activities.c.publication_id)
        .where(
            sent_again.is_there(), ~of_another_tool(earlier_activities.c.activity_id), chosen_ones
        )
    )
    return (known or 0) + int(lost or 0)


async def begin(transaction: Transaction, chosen: UndoChoice, *, by: str, now: datetime) -> Undo:
    """Undo what is chosen, from the end of this transaction on.

    Raises PublicationNotFound, and NothingToUndo if nothing of it is in Pipedrive or waits.
    """
    await ledger.lock(transaction)
    await forgotten_activities.take_in(
        transaction, and_(replace(chosen, which=UndoScope.ALL).condition, ~being_undone()), now
    )
    await _check_that_something_is_undone(transaction, chosen)
    account = await accounts.bound(transaction, Vendor.DESTINATION)
    account_key = account.key if account else accounts.NO_KEY
    added = await transaction.execute(
        insert(undos)
        .values(
            account_key=account_key,
            subject=chosen.subject,
            which=chosen.which,
            with_deals=chosen.with_deals,
            asked_at=now,
            asked_by=by,
            total=0,
        )
        .returning(undos.c.id)
    )
    undo_id = UndoId(added.scalar_one())
    await _add_files(transaction, chosen, undo_id, account_key, now)
    if chosen.which is not UndoScope.NEWEST:
        ids = select(undone.c.publication_id).where(undone.c.undo_id == undo_id)
        await transaction.execute(  # what an undo kept before is checked again
            update(earlier_activities)
            .where(earlier_activities.c.publication_id.in_(ids))
            .values(kept_because=None)
        )
    if chosen.with_deals:
        await undone_deals.begin(transaction, undo_id, chosen.user_keys, now)
    if account is None:
        # Whatever is not withdrawn now would be sent to the first account.
        await undone_rows.withdraw_all_unsent(transaction, now)
    else:
        await undone_rows.withdraw_unsent(transaction, now)
    await undone_rows.end(transaction, now)
    return await get(transaction, undo_id)


async def _check_that_something_is_undone(transaction: Transaction, chosen: UndoChoice) -> None:
    planned = await plan(transaction, chosen)
    if planned.total or (planned.with_deals and planned.deals):
        return
    if await _waits_to_be_sent_again(transaction, chosen):
        raise NothingToUndo(
            f"{planned.subject}: the newest activity is not in Pipedrive yet; undo the earlier "
            "ones after it is published, or skip it first"
        )
    raise NothingToUndo(_nothing(planned))


async def _add_files(
    transaction: Transaction, chosen: UndoChoice, undo_id: UndoId, account_key: int, now: datetime
) -> None:
    """Add a row for each chosen file: waiting, or kept with the reason."""
    columns = ("undo_id", "publication_id", "account_key", "state", "due_at")
    at = literal(now, undone.c.due_at.type)
    await transaction.execute(
        insert(undone).from_select(
            columns,
            select(
                literal(undo_id),
                publications.c.id,
                literal(account_key),
                literal(UndoneState.WAITING.value),
                at,
            )
            .where(chosen.condition, may_be_undone, ~being_undone(), ~_is_kept(chosen))
            .order_by(publications.c.id),
        )
    )
    for why, reason in (
        (_is_shared(chosen), HOLDS_OTHERS),
        (_is_of_another_tool(chosen), MADE_BY_OTHERS),
    ):
        await transaction.execute(
            insert(undone).from_select(
                (*columns, "ended_at", "reason"),
                _kept(
                    why,
                    chosen,
                    literal(undo_id),
                    publications.c.id,
                    literal(account_key),
                    literal(UndoneState.KEPT.value),
                    at,
                    at,
                    literal(reason),
                ),
            )
        )
    mine = select(func.count()).select_from(undone).where(undone.c.undo_id == undo_id)
    await transaction.execute(
        update(undos).where(undos.c.id == undo_id).values(total=mine.scalar_subquery())
    )


async def _waits_to_be_sent_again(transaction: Transaction, chosen: UndoChoice) -> bool:
    """Return whether the newest activities are not in Pipedrive yet, so that none is earlier."""
    if chosen.which is not UndoScope.EARLIER:
        return False
    of_newest = replace(chosen, which=UndoScope.NEWEST).condition
    waits = select(publications.c.id).where(of_newest, may_be_undone, ~being_undone()).limit(1)
    return await transaction.scalar(waits) is not None


def _nothing(planned: UndoPlan) -> str:
    if planned.under_way:
        return (
            f"nothing of {planned.subject} is left to undo: "
            f"{planned.under_way:,} being undone already"
        )
    if planned.kept:
        return (
            f"nothing of {planned.subject} can be undone: {planned.kept:,} share an activity with "
            "files that are not undone"
        )
    if planned.kept_of_others:
        return (
            f"nothing of {planned.subject} can be undone: another tool made "
            f"{planned.kept_of_others:,} of its activities, and an undo keeps them"
        )
    if planned.done:
        return f"nothing of {planned.subject} is left to undo: {planned.done:,} undone before"
    return f"nothing of {planned.subject} is in Pipedrive or waits to be sent"


async def resume(transaction: Transaction, undo_id: UndoId, now: datetime) -> Undo:
    """Resume an undo that was stopped, or try again what failed in it.

    Raises UndoNotFound, and UndoNotStopped if it is running, or nothing failed.
    """
    await ledger.lock(transaction)
    undo = await get(transaction, undo_id)
    await transaction.execute(
        update(undone).where(undone.c.undo_id == undo_id, is_open).values(due_at=now)
    )
    waits = {"state": UndoneState.WAITING, "ended_at": None, "attempts": 0}
    again = await transaction.execute(
        update(undone)
        .where(undone.c.undo_id == undo_id, undo_troubles.failed_activity())
        # The others first, so that a failure cannot delay them.
        .values(due_at=now + undone_deals.AFTER_OTHERS, **waits)
    )
    deals_again = await undone_deals.resume(
        transaction, undo_id, now, with_activities=bool(again.rowcount)
    )
    if undo.stopped_at is None and not again.rowcount + deals_again:
        raise UndoNotStopped(
            f"undo {undo_id} " + ("has ended" if undo.ended_at else "continues on its own")
        )
    await transaction.execute(
        update(undos)
        .where(undos.c.id == undo_id)
        .values(stopped_because=None, stopped_at=None, ended_at=None, failed_at=None)
    )
    return await get(transaction, undo_id)


async def get(transaction: Transaction, undo_id: UndoId) -> Undo:
    """Return one undo; raises UndoNotFound."""
    found = await _read(transaction, undos.c.id == undo_id)
    if not found:
        raise UndoNotFound(f"there is no undo {undo_id}")
    return found[0]


async def page(transaction: Transaction, *, offset: int, limit: int) -> Page[Undo]:
    """Return a page of the undos, newest first."""
    total = await transaction.scalar(select(func.count()).select_from(undos))
    ids = select(undos.c.id).order_by(undos.c.id.desc()).offset(offset).limit(limit)
    return Page(await _read(transaction, undos.c.id.in_(ids)), total or 0)


async def unfinished(transaction: Transaction) -> tuple[Undo, ...]:
    """Return the undos that are under way or stopped, newest first."""
    return await _read(transaction, undos.c.ended_at.is_(None))


async def _read(transaction: Transaction, *wanted: ColumnElement[bool]) -> tuple[Undo, ...]:
    rows = (
        await transaction.execute(select(undos).where(*wanted).order_by(undos.c.id.desc()))
    ).all()
    counted = await transaction.execute(
        select(undone.c.undo_id, undone.c.state, func.count())
        .where(undone.c.undo_id.in_([row.id for row in rows]))
        .group_by(undone.c.undo_id, undone.c.state)
    )
    deal_counts = await undone_deals.counts(transaction, [row.id for row in rows])
    shown = await without_removed(transaction, [row.subject for row in rows])
    counts: dict[int, dict[UndoneState, int]] = {}
    for undo_id, state, number in counted:
        counts.setdefault(undo_id, {})[state] = number
    return tuple(
        _undo(
            row,
            subject=row.subject if row.subject in shown else OF_REMOVED,
            counts=counts.get(row.id, {}),
            deal_counts=deal_counts.get(row.id, {}),
        )
        for row in rows
    )


async def files(
    transaction: Transaction,
    undo_id: UndoId,
    *,
    offset: int,
    limit: int,
    state: UndoneState | None = None,
) -> tuple[Undone, ...]:
    """Return a page of the publications of an undo, those of tracked users, by their numbers."""
    return await _undone_of(
        transaction,
        undone.c.undo_id == undo_id,
        *([] if state is None else [undone.c.state == state]),
        offset=offset,
        limit=limit,
    )


async def _undone_of(
    transaction: Transaction, *wanted: ColumnElement[bool], offset: int, limit: int
) -> tuple[Undone, ...]:
    rows = await transaction.execute(
        select(
            undone.c.publication_id,
            undone.c.state,
            undone.c.activity_id,
            undone.c.reason,
            undone.c.ended_at,
            users.c.login,
            gist_files.c.filename,
        )
        .join(publications, publications.c.id == undone.c.publication_id)
        .join(users, users.c.key == publications.c.user_key)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .where(tracked, *wanted)
        .order_by(undone.c.publication_id, undone.c.id)
        .offset(offset)
        .limit(limit)
    )
    return tuple(map(_undone, rows))
