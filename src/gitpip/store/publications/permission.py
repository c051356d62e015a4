"""Permission to send: pauses of users, modes and a person's pause can forbid it.

A claim checks it, and so does the statement that marks a row as being sent: after the commit of
what forbids it, no request begins. The general mode is read right before that statement, so a
change of it also takes every claim back.

Conditions without a time are built once for each mode: building one takes longer than executing it
on a few rows.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    func,
    not_,
    or_,
    select,
    update,
)

from gitpip.errors import PublicationStateError
from gitpip.model import PublicationId, PublicationState, UserKey, UserState
from gitpip.modes import ASKED, HeldBecause, PublishingMode
from gitpip.store import lease, ledger
from gitpip.store.database import Transaction
from gitpip.store.lease import Now
from gitpip.store.locking import in_order
from gitpip.store.schema import deals, never_arrived, publications, users
from gitpip.store.schema_rules import opt_outs
from gitpip.store.schema_status import publishing_pause
from gitpip.store.visibility import is_tracked, of_tracked

MARKED_AT_ONCE = 1_000

OverallMode = Callable[[Transaction], Awaitable[PublishingMode]]
"""Reads the general mode within a transaction."""
_owner = users.alias("owner_now")


@dataclass(frozen=True)
class Present:
    """The present time and settings that decide what may be sent."""

    now: datetime
    """The time by our own clock."""
    mode: PublishingMode
    """The general mode."""
    per_gist: bool = False
    """Whether the waiting files of one gist are claimed together."""


NEVER_SENT = and_(
    publications.c.state == PublicationState.PENDING.value,
    never_arrived,
    publications.c.approved_at.is_(None),
)
"""The condition that a person has not approved a publication, and nothing of it can be there.

Modes and screening apply to these alone.
"""


@cache
def mode_of(owner: FromClause, overall: PublishingMode) -> ColumnElement[str]:
    """Return the mode of a user, for a row of `users` or of an alias of it."""
    return func.coalesce(owner.c.publishing_mode, overall.value)


@cache
def may_be_sent_to(owner: FromClause, overall: PublishingMode) -> ColumnElement[bool]:
    """Return the condition that a user's files may be sent, for `users` or an alias of it."""
    return and_(
        is_tracked(owner),
        owner.c.state != UserState.PAUSED.value,
        mode_of(owner, overall) != PublishingMode.DRY_RUN.value,
        not_(select(opt_outs.c.id).where(opted_out(owner)).correlate(owner).exists()),
    )


@cache
def opted_out(owner: FromClause) -> ColumnElement[bool]:
    """Return the condition that a row of `opt_outs` is about a user of `users` or an alias of it.

    GitHub's id decides if it is known: the login may be another owner's by now.
    """
    return or_(
        opt_outs.c.github_id == owner.c.github_id,
        and_(opt_outs.c.github_id.is_(None), opt_outs.c.login == func.lower(owner.c.login)),
    )


def opted_out_keys() -> Select[tuple[int]]:
    """Return the query of the keys of users whose owners opted out, removed users included."""
    return select(users.c.key).join(opt_outs, opted_out(users))


async def check_not_opted_out(transaction: Transaction, publication_id: PublicationId) -> None:
    """Raise PublicationStateError if the owner of a publication's gist opted out."""
    found = await transaction.scalar(
        select(users.c.login)
        .join(publications, publications.c.user_key == users.c.key)
        .join(opt_outs, opted_out(users))
        .where(publications.c.id == publication_id)
        .limit(1)
    )
    if found is not None:
        raise PublicationStateError(
            f"{found} opted out, so publication {publication_id} is not sent; remove the opt-out "
            "first: gitpip opt-outs remove LOGIN"
        )


@cache
def in_dry_run(overall: PublishingMode) -> ColumnElement[bool]:
    """Return the condition that a user is in a dry run; an index has the few with an own mode."""
    own = users.c.publishing_mode
    if overall is PublishingMode.DRY_RUN:
        return or_(own.is_(None), own == PublishingMode.DRY_RUN.value)
    return and_(own.is_not(None), own == PublishingMode.DRY_RUN.value)


@cache
def of_sent(user_key: ColumnElement[int], overall: PublishingMode) -> ColumnElement[bool]:
    """Return the condition of `may_be_sent_to`, for a query without `users`."""
    return (
        select(_owner.c.key)
        .where(_owner.c.key == user_key, may_be_sent_to(_owner, overall))
        .correlate_except(_owner)
        .exists()
    )


@cache
def of_mended(user_key: ColumnElement[int], overall: PublishingMode) -> ColumnElement[bool]:
    """Return the condition that a user's doubles are found and deleted: also if paused."""
    return (
        select(_owner.c.key)
        .where(
            _owner.c.key == user_key,
            is_tracked(_owner),
            mode_of(_owner, overall) != PublishingMode.DRY_RUN.value,
        )
        .correlate_except(_owner)
        .exists()
    )


@dataclass(frozen=True)
class UserPermission:
    """The facts about a user that forbid sending files at present, or hold them."""

    mode: PublishingMode
    """The user's own mode, or the general one."""
    is_paused: bool
    opted_out: bool


async def owners(
    transaction: Transaction, user_keys: Collection[UserKey], overall: PublishingMode
) -> Mapping[UserKey, UserPermission]:
    """Return the facts about each of these users, while `overall` is the general mode."""
    out = select(opt_outs.c.id).where(opted_out(users)).correlate(users).exists()
    rows = await transaction.execute(
        select(users.c.key, users.c.publishing_mode, users.c.state, out.label("out")).where(
            users.c.key.in_(user_keys)
        )
    )
    return {
        UserKey(row.key): UserPermission(
            row.publishing_mode or overall, row.state == UserState.PAUSED, bool(row.out)
        )
        for row in rows
    }


async def may_be_mended(transaction: Transaction, user_key: UserKey, present: Present) -> bool:
    """Return whether a double of this user may be deleted now."""
    wanted = (
        users.c.key == user_key,
        of_mended(users.c.key, present.mode),
        not_paused_by_a_person(present.now),
    )
    return await transaction.scalar(select(users.c.key).where(*wanted)) is not None


async def may_be_sent(transaction: Transaction, user_key: UserKey, present: Present) -> bool:
    """Return whether anything of this user may be sent now."""
    wanted = (
        users.c.key == user_key,
        may_be_sent_to(users, present.mode),
        not_paused_by_a_person(present.now),
    )
    return await transaction.scalar(select(users.c.key).where(*wanted)) is not None


@cache
def of_asking(user_key: ColumnElement[int], overall: PublishingMode) -> ColumnElement[bool]:
    """Return the condition that a person must approve the files of the user with this key."""
    return (
        select(_owner.c.key)
        .where(_owner.c.key == user_key, mode_of(_owner, overall) == PublishingMode.ASK.value)
        .correlate_except(_owner)
        .exists()
    )


def not_paused_by_a_person(now: Now) -> ColumnElement[bool]:
    """Return the condition that no person has paused publishing."""
    pause = publishing_pause.c
    lasts = or_(pause.until.is_(None), pause.until > now)
    return not_(select(pause.id).where(lasts).correlate(None).exists())


async def _take_claims_back(transaction: Transaction) -> None:
    """End every claim on what waits to be sent. Call `ledger.lock` first."""
    for table in (publications, deals):
        claimed = [
            table.c.state == PublicationState.PENDING.value,
            table.c.token.is_not(None),
        ]
        rows = (in_order(*claimed),) if table is publications else claimed
        await transaction.execute(update(table).where(*rows).values(**lease.NO_CLAIM))


async def mode_changes(transaction: Transaction, before: PublishingMode) -> None:
    """Prepare for another general mode, in the transaction that changes it.

    No claim from before is sent. Files that waited in a dry run, or for a person's approval, are
    held under any mode that follows.
    """
    await ledger.lock(transaction)
    await _leave(transaction, before)
    await _take_claims_back(transaction)


async def mode_of_user_changes(
    transaction: Transaction, user_key: UserKey, overall: PublishingMode
) -> None:
    """Prepare for another mode of one user, while `overall` is the general mode."""
    await _leave(transaction, overall, publications.c.user_key == user_key)


async def _leave(
    transaction: Transaction, overall: PublishingMode, *wanted: ColumnElement[bool]
) -> None:
    """Hold what a person must approve or waits in a dry run, so that no other mode sends it."""
    while await mark_met_in_dry_run(transaction, overall, *wanted):
        pass
    await transaction.execute(
        update(publications)
        .where(in_order(NEVER_SENT, of_asking(publications.c.user_key, overall), *wanted))
        .values(
            state=PublicationState.HELD,
            held_because=case(
                (publications.c.held_because == HeldBecause.DRY_RUN, HeldBecause.DRY_RUN),
                else_=HeldBecause.ASK,
            ),
            reason=ASKED,
            **lease.NO_CLAIM,
        )
    )


@cache
def _met_in_dry_run(overall: PublishingMode) -> tuple[ColumnElement[bool], ...]:
    dry = select(users.c.key).where(in_dry_run(overall))
    return (
        NEVER_SENT,
        publications.c.held_because.is_(None),
        publications.c.user_key.in_(dry),
        of_tracked(publications.c.user_key),
    )


async def any_to_mark(transaction: Transaction, overall: PublishingMode) -> bool:
    """Return whether something waits in a dry run and is not marked so."""
    return await transaction.scalar(_to_mark(overall)) is not None


@cache
def _to_mark(overall: PublishingMode) -> Select[Any]:
    return select(publications.c.id).where(*_met_in_dry_run(overall)).limit(1)


async def mark_met_in_dry_run(
    transaction: Transaction, overall: PublishingMode, *wanted: ColumnElement[bool]
) -> int:
    """Mark what waits in a dry run, so that no later mode sends it without approval.

    Return how many were marked; call it until there are none.
    """
    some = (
        select(publications.c.id)
        .where(*_met_in_dry_run(overall), *wanted)
        .order_by(publications.c.id)
        .limit(MARKED_AT_ONCE)
        .with_for_update()
    )
    marked = await transaction.execute(
        update(publications)
        .where(publications.c.id.in_(some))
        .values(held_because=HeldBecause.DRY_RUN)
    )
    return marked.rowcount
