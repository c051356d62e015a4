"""The schedule of checks: which users are due, the claims on them, and the results."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    null,
    or_,
    select,
    update,
)

from gitpip.failed_check import FailedCheck
from gitpip.model import GitHubId, User, UserKey, UserState
from gitpip.store import events
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.schema import active, not_compared, unreadable, users, watched
from gitpip.store.schema_events import EventKind
from gitpip.store.users.user_rows import rows, user_of

LISTED_EVERY = timedelta(days=7)
"""How long GraphQL alone is trusted: it may not show a change that REST shows."""
listed = func.coalesce(users.c.listed_at, users.c.created_at)
"""The time when REST last showed the list of a user, or when the user was added."""


async def claim_due(
    transaction: Transaction,
    *,
    token: str,
    now: datetime,
    lease: timedelta,
    limit: int,
    due_by: datetime | None = None,
) -> tuple[User, ...]:
    """Claim up to `limit` due users that no other process checks.

    Users just added and those with a hint come first, then the longest overdue. `due_by`, if given,
    leaves out users that became due after it, unless they have a hint.
    """
    keys = await _free(transaction, _hinted(now), now=now, limit=limit, order=users.c.hinted_at)
    due = users.c.next_check_at <= (due_by or now)
    keys += await _free(transaction, due, now=now, limit=limit - len(keys), without=keys)
    return await _claim(transaction, keys, token=token, until=now + lease)


async def claim_overdue(
    transaction: Transaction,
    *,
    token: str,
    now: datetime,
    lease: timedelta,
    limit: int,
    due_by: datetime,
) -> tuple[User, ...]:
    """Claim up to `limit` users who were due by a time, with or without a hint.

    The longest overdue come first. As with `claim_due`, no other process checks them.
    """
    due = users.c.next_check_at <= due_by
    keys = await _free(transaction, due, now=now, limit=limit)
    return await _claim(transaction, keys, token=token, until=now + lease)


async def _claim(
    transaction: Transaction, keys: Sequence[int], *, token: str, until: datetime
) -> tuple[User, ...]:
    if not keys:
        return ()
    await transaction.execute(
        update(users).where(users.c.key.in_(keys)).values(claimed_by=token, claimed_until=until)
    )
    claimed = await transaction.execute(
        rows().where(users.c.key.in_(keys)).order_by(users.c.next_check_at, users.c.key)
    )
    return tuple(user_of(row) for row in claimed)


async def claim_unlisted(
    transaction: Transaction,
    *,
    token: str,
    now: datetime,
    lease: timedelta,
    limit: int,
    listed_before: datetime,
) -> tuple[User, ...]:
    """Claim up to `limit` users whose list REST did not show since a time, whether due or not.

    Users whose list was never compared with what GraphQL shows come first, then those listed the
    longest ago. Their due times do not change. Users whose last check failed, or a part of whose
    list failed, are left out: they are tried again with waits of their own.
    """
    free = or_(users.c.claimed_until.is_(None), users.c.claimed_until < now)
    list_unread = exists().where(unreadable.c.user_key == users.c.key, unreadable.c.gist_id == "")
    keys: list[int] = []
    for wanted, order in (
        (not_compared, users.c.created_at),
        (and_(active, listed < listed_before), listed),
    ):
        found = await transaction.execute(
            select(users.c.key)
            .where(wanted, free, users.c.failure.is_(None), ~list_unread, users.c.key.not_in(keys))
            .order_by(order)
            .limit(limit - len(keys))
            .with_for_update(skip_locked=True)
        )
        keys += found.scalars()
    return await _claim(transaction, keys, token=token, until=now + lease)


def _hinted(now: datetime) -> ColumnElement[bool]:
    # Written so that no index of due times serves: among a million due users, few have a hint.
    due_at = func.coalesce(users.c.next_check_at, users.c.hinted_at)
    return and_(users.c.hinted_at.is_not(None), due_at <= now)


async def _free(
    transaction: Transaction,
    wanted: ColumnElement[bool],
    *,
    now: datetime,
    limit: int,
    without: Sequence[int] = (),
    order: ColumnElement[Any] = users.c.next_check_at,
) -> list[int]:
    if limit <= 0:
        return []
    free = or_(users.c.claimed_until.is_(None), users.c.claimed_until < now)
    found = await transaction.execute(
        select(users.c.key)
        .where(watched, wanted, free, users.c.key.not_in(without))
        .order_by(order, users.c.key)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(found.scalars())


@dataclass(frozen=True)
class CheckedUser:
    """The result of a successful check of a user. Times are UTC."""

    user: User
    """The row as it was when it was claimed."""
    asked_at: datetime
    """The time when the check began."""
    next_check_at: datetime
    etag: str | None
    gist_count: int | None
    sweep_mark: str | None
    known_until: datetime | None = None
    """The time, by GitHub's clock, before which everything public is stored; None changes nothing.
    """
    listed_at: datetime | None = None
    """The time when REST showed the list, by GitHub's clock; None if it was not asked."""


async def record_successes(
    transaction: Transaction, checked: Sequence[CheckedUser], *, token: str, now: datetime
) -> None:
    """Record successful checks, and release the claims of `token`.

    A user with a check requested since the claim stays due: this check may have come too
    early.
    """
    success = _success(now)
    available: list[NewEvent] = []
    ordered = sorted(checked, key=lambda each: each.user.key)
    for was_unavailable, some in groupby(ordered, _was_unavailable):
        if not was_unavailable:
            await transaction.execute(success, [_parameters(each, token) for each in some])
            continue
        # One by one: another process may have taken the user over, and records the event then.
        for each in some:
            changed = await transaction.execute(
                success.returning(users.c.key, users.c.state), _parameters(each, token)
            )
            available += [
                NewEvent(EventKind.USER_AVAILABLE, UserKey(row.key))
                for row in changed
                if row.state is UserState.ACTIVE
            ]
    await events.record(transaction, now, *available)


def _was_unavailable(each: CheckedUser) -> bool:
    return each.user.state is UserState.UNAVAILABLE


def _success(now: datetime) -> Update:
    """Return the update of the users, to be executed with the `_parameters` of each."""
    due_at = users.c.next_check_at
    asked_again = and_(
        due_at > bindparam("asked_before_now", type_=due_at.type),
        due_at != bindparam("was_due", type_=due_at.type),
    )
    return (
        update(users)
        .where(users.c.key == bindparam("row"), users.c.claimed_by == bindparam("holder"))
        .values(
            etag=bindparam("tag"),
            checked_at=now,
            complete_until=func.coalesce(
                bindparam("known_until", type_=users.c.complete_until.type),
                users.c.complete_until,
            ),
            listed_at=func.coalesce(
                bindparam("listed_at", type_=users.c.listed_at.type), users.c.listed_at
            ),
            gist_count=bindparam("gists", type_=users.c.gist_count.type),
            sweep_mark=bindparam("mark", type_=users.c.sweep_mark.type),
            next_check_at=case(
                (asked_again, users.c.next_check_at),
                else_=bindparam("next_check", type_=users.c.next_check_at.type),
            ),
            hinted_at=case(
                (
                    users.c.hinted_at > bindparam("asked_before", type_=users.c.hinted_at.type),
                    users.c.hinted_at,
                ),
                else_=null(),
            ),
            state=_unless_paused(UserState.ACTIVE),
            failures=0,
            failure=None,
            claimed_by=None,
            claimed_until=None,
        )
    )


def _parameters(each: CheckedUser, token: str) -> dict[str, object]:
    return {
        "row": each.user.key,
        "holder": token,
        "tag": each.etag,
        "known_until": each.known_until,
        "listed_at": each.listed_at,
        "asked_before": each.asked_at,
        "gists": each.gist_count,
        "mark": each.sweep_mark,
        # A request for a check makes a user due at the time of the request.
        "asked_before_now": each.asked_at,
        "was_due": each.user.next_check_at,
        "next_check": each.next_check_at,
    }


async def put_back(
    transaction: Transaction,
    keys: Sequence[UserKey],
    *,
    token: str,
    due_at: datetime | None,
) -> None:
    """Release users claimed under `token` whose check could not be made or completed.

    They are due again at `due_at`; if that is None, they stay due as they were.
    """
    due = {} if due_at is None else {"next_check_at": due_at}
    await transaction.execute(
        update(users)
        .where(users.c.key.in_(keys), users.c.claimed_by == token)
        .values(claimed_by=None, claimed_until=None, **due)
    )


async def record_refusals(transaction: Transaction, until: Mapping[UserKey, datetime]) -> None:
    """Record that GraphQL failed about each user alone: REST is asked until then (UTC)."""
    for key, time in sorted(until.items()):
        await transaction.execute(
            update(users)
            .where(users.c.key == key)
            .values(graphql_refusals=users.c.graphql_refusals + 1, graphql_refused_until=time)
        )


async def forget_refusals(transaction: Transaction, keys: Collection[UserKey]) -> None:
    """Record that GraphQL answers about these users again."""
    await transaction.execute(
        update(users)
        .where(users.c.key.in_(keys))
        .values(graphql_refusals=0, graphql_refused_until=None)
    )


async def renew(transaction: Transaction, token: str, *, until: datetime) -> None:
    """Extend every claim of a token, except those of users who are being changed.

    Those are extended the next time, long before a claim ends. Waiting for them while others are
    locked can deadlock with the transaction that records the checks of many users.
    """
    claimed = select(users.c.key).where(users.c.claimed_by == token)
    free = claimed.with_for_update(skip_locked=True)
    await transaction.execute(
        update(users).where(users.c.key.in_(free)).values(claimed_until=until)
    )


async def hint(
    transaction: Transaction, github_ids: Collection[GitHubId], now: datetime
) -> tuple[str, ...]:
    """Make the tracked users among these accounts due at once; return their logins."""
    hinted = await transaction.execute(
        update(users)
        .where(watched, users.c.github_id.in_(github_ids))
        .values(hinted_at=now, next_check_at=now)
        .returning(users.c.login)
    )
    return tuple(hinted.scalars())


async def record_failure(
    transaction: Transaction,
    key: UserKey,
    failed: FailedCheck,
) -> None:
    """Record that a user could not be checked, and release the claim."""
    await transaction.execute(
        update(users)
        .where(users.c.key == key)
        .values(
            failures=failed.failures,
            failure=failed.failure,
            failure_kind=failed.kind,
            same_account_as=failed.same_account_as,
            state=_unless_paused(failed.state),
            next_check_at=failed.next_check_at,
            claimed_by=None,
            claimed_until=None,
        )
    )


def _unless_paused(state: UserState) -> ColumnElement[str]:
    """Return the state after a check; a user who was paused during it stays paused."""
    paused = UserState.PAUSED.value
    return case((users.c.state == paused, paused), else_=state.value)


async def release(transaction: Transaction, token: str) -> None:
    """Release every user claimed with this token; they stay due."""
    await transaction.execute(
        update(users).where(users.c.claimed_by == token).values(claimed_by=None, claimed_until=None)
    )


async def make_due(transaction: Transaction, now: datetime) -> None:
    """Make every tracked user due now, also those being checked: that check may be over soon."""
    later = or_(users.c.next_check_at > now, users.c.claimed_until > now)
    await transaction.execute(update(users).where(watched, later).values(next_check_at=now))


async def any_due(transaction: Transaction, now: datetime) -> bool:
    """Return whether a tracked user is due and not claimed."""
    free = or_(users.c.claimed_until.is_(None), users.c.claimed_until < now)
    due = users.c.next_check_at <= now
    return bool(await transaction.scalar(select(exists().where(watched, due, free))))


async def unchecked(transaction: Transaction, since: datetime) -> int:
    """Return how many active users were not checked since a time (UTC)."""
    late = or_(users.c.checked_at.is_(None), users.c.checked_at < since)
    return await transaction.scalar(select(func.count()).where(active, late)) or 0


@dataclass(frozen=True)
class Freshness:
    """How up to date the active users are. Times are UTC."""

    users: int
    unread: int
    """The number of users that were never read completely."""
    complete_until: datetime | None
    """The time before which everything of all users is found; None while a user is unread."""
    oldest: datetime | None
    """The time up to which all users that were read are known."""
    median: datetime | None
    """The time up to which at least half of the users that were read are known."""
    most: datetime | None
    """The time up to which at least 19 in 20 of the users that were read are known."""


@dataclass(frozen=True)
class Completeness:
    """The time up to which the users are known. Times are UTC, by GitHub's clock."""

    users: int
    """The number of active users."""
    unread: int
    """The number of these that were never read completely."""
    oldest: datetime | None
    """The time up to which all users that were read are known."""

    @property
    def complete_until(self) -> datetime | None:
        """The time before which everything of all users is found; None while a user is unread."""
        return self.oldest if self.unread == 0 else None


async def completeness(transaction: Transaction) -> Completeness:
    """Return up to which time the users are known.

    Users that GitHub no longer shows are known up to when it last showed them. Paused users, and
    those that it never showed, do not count.
    """
    counted = await transaction.execute(
        select(func.count(), func.count(users.c.complete_until)).where(active)
    )
    total, read = counted.one()
    oldest = await transaction.scalar(
        select(func.min(users.c.complete_until, type_=users.c.complete_until.type)).where(watched)
    )
    return Completeness(total, total - read, oldest)


async def freshness(transaction: Transaction) -> Freshness:
    """Return how up to date the users are; `completeness` says which of them count."""
    known = await completeness(transaction)
    read = known.users - known.unread

    async def at(part: float) -> datetime | None:
        if not read:
            return None
        return await transaction.scalar(
            select(users.c.complete_until)
            .where(active, users.c.complete_until.is_not(None))
            .order_by(users.c.complete_until)
            .offset(min(int(read * part), read - 1))
            .limit(1)
        )

    return Freshness(
        users=known.users,
        unread=known.unread,
        complete_until=known.complete_until,
        oldest=known.oldest,
        median=await at(0.5),
        most=await at(0.05),
    )
