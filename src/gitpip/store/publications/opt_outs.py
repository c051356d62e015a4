"""Owners of gists who opted out: nothing of theirs is ever sent.

`permission` keeps it: their publications are neither claimed nor marked as being sent, whatever a
person or a rule says about them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from gitpip.errors import InvalidInput, OptOutNotFound
from gitpip.model import GitHubId, PublicationState, UserKey
from gitpip.store import commit_order, ledger
from gitpip.store.access.audit import Actor
from gitpip.store.database import Transaction
from gitpip.store.locking import in_order
from gitpip.store.publications.permission import opted_out
from gitpip.store.rows import reader
from gitpip.store.schema import publications, users
from gitpip.store.schema_rules import opt_outs
from gitpip.validation import check_login, without_nul

OptOutId = NewType("OptOutId", int)
OPTED_OUT = "its owner opted out"
REASON_LIMIT = 300


@dataclass(frozen=True)
class OptOut:
    """An owner whose files are never published."""

    id: OptOutId
    login: str
    """In lower case, as it was when it was added."""
    github_id: GitHubId | None
    """Where it is known it decides; else the login does."""
    reason: str | None
    created_at: datetime
    created_by: str


_opt_out = reader(OptOut)


async def everyone(transaction: Transaction) -> tuple[OptOut, ...]:
    """All who opted out, by login."""
    rows = await transaction.execute(select(opt_outs).order_by(opt_outs.c.login))
    return tuple(map(_opt_out, rows))


async def of_user(transaction: Transaction, user_key: UserKey) -> OptOut | None:
    """The opt-out that applies to a tracked user."""
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
) -> tuple[OptOut, int]:
    """Note that an owner opted out, tracked or not, and skip what was not sent; gives its number.

    The same again changes nothing. Raises InvalidInput.
    """
    check_login(login)
    if reason is not None and len(reason) > REASON_LIMIT:
        raise InvalidInput("reason", f"longer than {REASON_LIMIT} characters")
    await ledger.lock(transaction)
    await commit_order.one_at_a_time(transaction, "opt-outs")
    known = await _find(transaction, login)
    if known is None:
        await transaction.execute(
            insert(opt_outs).values(
                login=login.lower(),
                github_id=await _github_id(transaction, login),
                reason=without_nul(reason.strip()) or None if reason else None,
                created_at=now,
                created_by=actor.name,
            )
        )
        known = await _get(transaction, login)
    return known, await _skip(transaction, known, now)


async def remove(transaction: Transaction, login: str) -> OptOut:
    """Forget that an owner opted out; what was skipped stays skipped. Raises OptOutNotFound."""
    await commit_order.one_at_a_time(transaction, "opt-outs")
    known = await _get(transaction, login)
    await transaction.execute(delete(opt_outs).where(opt_outs.c.id == known.id))
    return known


async def note_accounts(transaction: Transaction) -> None:
    """Note whose account each login is, as far as that was not known: a rename ends no opt-out."""
    unknown = await transaction.execute(
        select(opt_outs.c.id, users.c.github_id)
        .join(users, func.lower(users.c.login) == opt_outs.c.login)
        .where(
            opt_outs.c.github_id.is_(None),
            users.c.removed_at.is_(None),
            users.c.github_id.is_not(None),
            users.c.github_id.not_in(
                select(opt_outs.c.github_id).where(opt_outs.c.github_id.is_not(None))
            ),
        )
    )
    for row in unknown.all():
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
    """The account of a user with this login, unless it opted out by another login already."""
    rows = await transaction.execute(
        select(users.c.github_id)
        .where(
            func.lower(users.c.login) == login.lower(),
            users.c.github_id.is_not(None),
            users.c.github_id.not_in(
                select(opt_outs.c.github_id).where(opt_outs.c.github_id.is_not(None))
            ),
        )
        .order_by(users.c.removed_at.is_not(None), users.c.key.desc())
        .limit(1)
    )
    return rows.scalar_one_or_none()


def _of(known: OptOut) -> ColumnElement[bool]:
    if known.github_id is not None:
        return users.c.github_id == known.github_id
    return func.lower(users.c.login) == known.login


async def _skip(transaction: Transaction, known: OptOut, now: datetime) -> int:
    result = await transaction.execute(
        update(publications)
        .where(
            in_order(
                publications.c.user_key.in_(select(users.c.key).where(_of(known))),
                publications.c.state.in_(
                    [
                        PublicationState.PENDING.value,
                        PublicationState.HELD.value,
                        PublicationState.FAILED.value,
                    ]
                ),
                publications.c.sent_at.is_(None),
            )
        )
        .values(
            state=PublicationState.SKIPPED.value,
            due_at=now,
            reason=OPTED_OUT,
            approved_at=None,
            approved_by=None,
        )
    )
    return result.rowcount
