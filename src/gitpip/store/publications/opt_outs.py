"""Owners of gists who opted out: nothing of theirs is ever sent.

`permission` enforces it: their publications are neither claimed nor marked as being sent,
regardless of what a person or a rule says about them.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import NewType

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from gitpip.errors import InvalidInput, OptOutNotFound
from gitpip.model import GitHubId, PublicationState, UserKey
from gitpip.store import commit_order, events, lease, ledger
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Transaction
from gitpip.store.locking import in_order
from gitpip.store.publications import recognition, sent_again
from gitpip.store.publications.permission import opted_out, opted_out_keys
from gitpip.store.rows import reader
from gitpip.store.schema import never_arrived, publications, users
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_rules import opt_outs
from gitpip.store.users import former_logins
from gitpip.store.visibility import removed, tracked
from gitpip.validation import check_login, without_nul

OptOutId = NewType("OptOutId", int)
OPTED_OUT = "its owner opted out"
OPT_OUT_REASON_LIMIT = 300


@dataclass(frozen=True)
class OptOut:
    """An owner whose files are never published."""

    id: OptOutId
    login: str
    """The login when it was added, in lower case."""
    github_id: GitHubId | None
    """GitHub's id, which decides if it is known; otherwise the login does."""
    reason: str | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True)
class AddedOptOut:
    """The result of `add`."""

    opt_out: OptOut
    before: OptOut | None
    """The opt-out as it was, if the owner had opted out already."""
    skipped: int
    """The number of waiting publications that are skipped."""


_opt_out = reader(OptOut)
_first = select(opt_outs.c.id).limit(1)


async def everyone(transaction: Transaction) -> tuple[OptOut, ...]:
    """Return all opt-outs, by login."""
    rows = await transaction.execute(select(opt_outs).order_by(opt_outs.c.login))
    return tuple(map(_opt_out, rows))


async def of_user(transaction: Transaction, user_key: UserKey) -> OptOut | None:
    """Return the opt-out that applies to a tracked user."""
    rows = await transaction.execute(
        select(opt_outs)
        .join(users, opted_out(users))
        .where(users.c.key == user_key)
        .order_by(opt_outs.c.id)
        .limit(1)
    )
    row = rows.one_or_none()
    return _opt_out(row) if row else None


async def add(
    transaction: Transaction, login: str, reason: str | None, actor: Actor, now: datetime
) -> AddedOptOut:
    """Record that an owner opted out, tracked or not, and skip what was not sent.

    If the owner opted out already, only another reason changes something. Raises InvalidInput.
    """
    check_login(login)
    if reason is not None and len(reason) > OPT_OUT_REASON_LIMIT:
        raise InvalidInput("reason", f"longer than {OPT_OUT_REASON_LIMIT} characters")
    await ledger.lock(transaction)
    await commit_order.one_at_a_time(transaction, "opt-outs")
    before = await _find(transaction, login)
    wanted = without_nul(reason.strip()) or None if reason else None
    if before is None:
        await transaction.execute(
            insert(opt_outs).values(
                login=login.lower(),
                github_id=await _github_id(transaction, login),
                reason=wanted,
                created_at=now,
                created_by=actor.name,
            )
        )
    elif wanted is not None:
        await transaction.execute(
            update(opt_outs).where(opt_outs.c.id == before.id).values(reason=wanted)
        )
    known = await _get(transaction, login)
    return AddedOptOut(known, before, await _end_waits(transaction, _of(known), now))


async def remove(transaction: Transaction, login: str) -> OptOut:
    """Remove an opt-out; what was skipped stays skipped. Raises OptOutNotFound."""
    await commit_order.one_at_a_time(transaction, "opt-outs")
    known = await _get(transaction, login)
    await transaction.execute(delete(opt_outs).where(opt_outs.c.id == known.id))
    return known


async def any_waits(transaction: Transaction) -> bool:
    """Return whether anything of an owner who opted out waits, or is held."""
    if await transaction.scalar(_first) is None:
        return False
    return await transaction.scalar(_waiting()) is not None


@cache
def _waiting() -> Select[tuple[int]]:
    keys = opted_out_keys().where(tracked)
    return select(publications.c.id).where(or_(_waits_of(keys), _again_of(keys))).limit(1)


async def skip_waiting(transaction: Transaction, now: datetime) -> int:
    """Skip what waits, or is held, of owners who opted out; return its number.

    Also records the account of each login, so that a rename ends no opt-out.
    """
    await ledger.lock(transaction)
    await _note_accounts(transaction)
    return await _end_waits(transaction, opted_out_keys().where(tracked), now)


async def _note_accounts(transaction: Transaction) -> None:
    known = select(opt_outs.c.github_id).where(opt_outs.c.github_id.is_not(None))
    rows = await transaction.execute(
        select(opt_outs.c.id, users.c.github_id)
        .join(users, func.lower(users.c.login) == opt_outs.c.login)
        .where(opt_outs.c.github_id.is_(None), tracked, users.c.github_id.is_not(None))
        .where(users.c.github_id.not_in(known))
    )
    for row in rows.all():
        await transaction.execute(
            update(opt_outs).where(opt_outs.c.id == row.id).values(github_id=row.github_id)
        )


async def _find(transaction: Transaction, login: str) -> OptOut | None:
    rows = await transaction.execute(select(opt_outs).where(opt_outs.c.login == login.lower()))
    row = rows.one_or_none()
    return _opt_out(row) if row else None


async def _get(transaction: Transaction, login: str) -> OptOut:
    found = await _find(transaction, login)
    if found is None:
        raise OptOutNotFound(f"{login[:60]} did not opt out")
    return found


async def _github_id(transaction: Transaction, login: str) -> GitHubId | None:
    """Return the account of a user with this login, unless it opted out by another login already.

    If no user has the login now, it is the tracked user who had it before.
    """
    present = func.lower(users.c.login) == login.lower()
    rows = await transaction.execute(
        select(users.c.github_id)
        .where(
            or_(present, users.c.key.in_(former_logins.found_by(login))),
            users.c.github_id.is_not(None),
            users.c.github_id.not_in(
                select(opt_outs.c.github_id).where(opt_outs.c.github_id.is_not(None))
            ),
        )
        .order_by(case((present, 0), else_=1), removed, users.c.key.desc())
        .limit(1)
    )
    return rows.scalar_one_or_none()


def _of(known: OptOut) -> Select[tuple[int]]:
    if known.github_id is not None:
        return select(users.c.key).where(users.c.github_id == known.github_id)
    return select(users.c.key).where(func.lower(users.c.login) == known.login)


def _waits_of(user_keys: Select[tuple[int]]) -> ColumnElement[bool]:
    """Return the condition on what was never sent of these users.

    A publication that may have been sent is settled as usual.
    """
    of = publications.c
    return and_(
        of.user_key.in_(user_keys),
        of.state.in_(recognition.NOT_SENT),
        never_arrived,
    )


def _again_of(user_keys: Select[tuple[int]]) -> ColumnElement[bool]:
    """Publications of these users that wait to be sent again."""
    of = publications.c
    return and_(
        of.user_key.in_(user_keys), of.state.in_(recognition.NOT_SENT), of.is_new_round == 1
    )


async def _end_waits(transaction: Transaction, user_keys: Select[tuple[int]], now: datetime) -> int:
    """Skip what waits of these users; what waits to be sent again stays as it is in Pipedrive."""
    stayed = await sent_again.step_back(transaction, _again_of(user_keys), now)
    return len(stayed) + await _skip(transaction, _waits_of(user_keys), now)


async def _skip(transaction: Transaction, waits: ColumnElement[bool], now: datetime) -> int:
    result = await transaction.execute(
        update(publications)
        .where(in_order(waits))
        .values(
            state=PublicationState.SKIPPED.value,
            due_at=now,
            reason=OPTED_OUT,
            deleted_from=None,
            approved_at=None,
            approved_by=None,
            **lease.NO_CLAIM,
        )
        .returning(publications.c.user_key)
    )
    keys = result.scalars().all()
    await events.record_files(transaction, now, EventKind.PUBLICATIONS_SKIPPED, keys, OPTED_OUT)
    return len(keys)
