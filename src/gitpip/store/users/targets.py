"""Targets: what a user's activities are attached to, if not to a deal found by its title.

The ids are those of one account. A target that was set for another account is not used, and is used
again once that account is set again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, case, delete, insert, literal, select, update

from gitpip.model import PublicationState, UserKey
from gitpip.store import events, lease
from gitpip.store.accounts import accounts
from gitpip.store.column_types import UTCDateTime
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.locking import in_order
from gitpip.store.rows import reader
from gitpip.store.schema import deals, publications
from gitpip.store.schema_accounts import Vendor, is_bound
from gitpip.store.schema_accounts import accounts as account_rows
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_targets import targets
from gitpip.store.schema_undo import made_deals, undone_deals
from gitpip.targets import Target


@dataclass(frozen=True)
class SeenTarget:
    """A target as Pipedrive shows it."""

    title: str
    person_id: int | None = None
    """The person and the organization of a deal or lead."""
    org_id: int | None = None


@dataclass(frozen=True)
class UserTarget:
    """The target of one user. Times are UTC."""

    user_key: UserKey
    target: Target
    title: str | None
    checked_at: datetime | None
    """The time when Pipedrive last showed it; None if Pipedrive was not asked yet."""
    person_id: int | None
    org_id: int | None
    problem: str | None
    problem_since: datetime | None
    account_key: int | None
    other_account: str | None
    """The name of the account that it was set for, if that is not the present one."""

    @property
    def is_usable(self) -> bool:
        """Whether Pipedrive showed it and no problem is known, so activities can be put there."""
        known = self.checked_at is not None and self.problem is None
        return known and self.other_account is None


_user_target = reader(UserTarget)


async def of_user(transaction: Transaction, user_key: UserKey) -> UserTarget | None:
    """Return the target of a user; None if it is the deal found by its title."""
    row = (await transaction.execute(_rows().where(targets.c.user_key == user_key))).one_or_none()
    return None if row is None else _user_target(row)


async def of_users(
    transaction: Transaction, user_keys: Collection[UserKey]
) -> dict[UserKey, UserTarget]:
    """Return the targets of these users; users without one are left out."""
    rows = await transaction.execute(_rows().where(targets.c.user_key.in_(user_keys)))
    return {each.user_key: each for each in (_user_target(row) for row in rows)}


async def put(
    transaction: Transaction,
    user_key: UserKey,
    target: Target | None,
    seen: SeenTarget | None,
    now: datetime,
) -> None:
    """Set a user's target, with what Pipedrive has just said about it, if it was asked.

    None restores the deal found by its title. Activities that were sent stay where they are. Call
    `ledger.lock` first.
    """
    await transaction.execute(delete(targets).where(targets.c.user_key == user_key))
    if target is not None:
        bound = await accounts.bound(transaction, Vendor.DESTINATION)
        if await accounts.change(transaction, Vendor.DESTINATION) is not None:
            seen = None  # it was said about another account than the rows belong to
        await transaction.execute(
            insert(targets).values(
                user_key=user_key,
                target=target,
                account_key=bound.key if bound else None,
                **_values_of(seen, now),
            )
        )
    await _send_there(transaction, user_key, now)


async def note_seen(
    transaction: Transaction, of: UserTarget, seen: SeenTarget, now: datetime
) -> bool:
    """Store what Pipedrive says about a target; return False if the user has another one by now."""
    result = await transaction.execute(
        update(targets)
        .where(*_still(of))
        .values(problem=None, problem_since=None, **_values_of(seen, now))
    )
    return result.rowcount == 1


async def note_problem(
    transaction: Transaction,
    of: UserTarget,
    problem: str,
    now: datetime,
    *,
    since: datetime | None = None,
) -> bool:
    """Store why nothing can be put there; return False if the user has another target by now.

    `since` is the time since which that is so, if it is not only noticed now.
    """
    result = await transaction.execute(
        update(targets)
        .where(*_still(of))
        .values(problem=problem, problem_since=of.problem_since or since or now)
    )
    if result.rowcount and of.problem_since is None:
        told = NewEvent(EventKind.TARGET_UNUSABLE, of.user_key, detail=problem)
        await events.record(transaction, now, told)
    return result.rowcount == 1


async def unlink(transaction: Transaction, of: UserTarget) -> None:
    """Stop sending the person and the organization along with a deal or lead."""
    await transaction.execute(
        update(targets).where(*_still(of)).values(person_id=None, org_id=None)
    )


async def move(transaction: Transaction, user_key: UserKey, *, to: UserKey) -> None:
    """Move the target of one row of users to another one, replacing the target there."""
    await transaction.execute(delete(targets).where(targets.c.user_key == to))
    await transaction.execute(
        update(targets).where(targets.c.user_key == user_key).values(user_key=to)
    )


async def move_deal(transaction: Transaction, user_key: UserKey, *, to: UserKey) -> None:
    """Move a user's deal, and what is known of it, to another row of users."""
    await transaction.execute(delete(deals).where(deals.c.user_key == to))
    for table in (deals, made_deals, undone_deals):
        await transaction.execute(
            update(table).where(table.c.user_key == user_key).values(user_key=to)
        )


def _still(of: UserTarget) -> tuple[Any, ...]:
    return targets.c.user_key == of.user_key, targets.c.target == of.target


def _values_of(seen: SeenTarget | None, now: datetime) -> dict[str, object]:
    if seen is None:
        return {}
    return {
        "title": seen.title,
        "person_id": seen.person_id,
        "org_id": seen.org_id,
        "checked_at": now,
    }


async def _send_there(transaction: Transaction, user_key: UserKey, now: datetime) -> None:
    """Release every claim on the user's unsent publications, and make them due at once.

    A claim was made with the old target: after this no request to that begins.
    """
    waits = PublicationState.PENDING.value
    later = publications.c.due_at > now
    await transaction.execute(
        update(publications)
        .where(in_order(publications.c.user_key == user_key, publications.c.state == waits))
        .values(
            due_at=case((later, literal(now, UTCDateTime)), else_=publications.c.due_at),
            **lease.NO_CLAIM,
        )
    )
    await transaction.execute(
        update(deals)
        .where(deals.c.user_key == user_key, deals.c.state == waits)
        .values(**lease.NO_CLAIM)
    )


@cache
def _rows() -> Select[Any]:
    other = and_(account_rows.c.key == targets.c.account_key, ~is_bound)
    return select(targets, account_rows.c.name.label("other_account")).outerjoin(
        account_rows, other
    )
