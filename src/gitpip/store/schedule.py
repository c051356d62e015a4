"""The schedule of looks: which users are due, who looks at them, and how that ended."""

from datetime import datetime, timedelta

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.model import GitHubId, User, UserKey, UserState
from gitpip.store.schema import looked_at, users
from gitpip.store.users import rows, user_of


async def claim_due(
    transaction: AsyncConnection,
    *,
    token: str,
    now: datetime,
    lease: timedelta,
    limit: int,
    due_by: datetime | None = None,
) -> tuple[User, ...]:
    """Take up to `limit` due users that nobody else looks at, the longest overdue first.

    `due_by`, if given, leaves those alone that became due after it.
    """
    free = or_(users.c.claimed_until.is_(None), users.c.claimed_until < now)
    due = (
        select(users.c.key)
        .where(looked_at, users.c.next_check_at <= (due_by or now), free)
        .order_by(users.c.next_check_at, users.c.key)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    keys = (await transaction.execute(due)).scalars().all()
    if not keys:
        return ()
    await transaction.execute(
        update(users)
        .where(users.c.key.in_(keys))
        .values(claimed_by=token, claimed_until=now + lease)
    )
    claimed = await transaction.execute(rows().where(users.c.key.in_(keys)))
    return tuple(user_of(row) for row in claimed)


async def record_success(
    transaction: AsyncConnection,
    key: UserKey,
    *,
    login: str,
    github_id: GitHubId | None,
    etag: str | None,
    now: datetime,
    next_check_at: datetime,
) -> None:
    """Note that GitHub was read for this user up to `now`, and release the claim."""
    await transaction.execute(
        update(users)
        .where(users.c.key == key)
        .values(
            login=login,
            github_id=github_id,
            etag=etag,
            checked_at=now,
            next_check_at=next_check_at,
            state=UserState.ACTIVE.value,
            failures=0,
            failure=None,
            claimed_by=None,
            claimed_until=None,
        )
    )


async def record_failure(
    transaction: AsyncConnection,
    key: UserKey,
    *,
    failure: str,
    failures: int,
    state: UserState,
    next_check_at: datetime,
) -> None:
    """Note that this user could not be looked at, for the `failures`th time, and release them."""
    await transaction.execute(
        update(users)
        .where(users.c.key == key)
        .values(
            failures=failures,
            failure=failure,
            state=state.value,
            next_check_at=next_check_at,
            claimed_by=None,
            claimed_until=None,
        )
    )


async def release(transaction: AsyncConnection, token: str) -> None:
    """Hand back every user claimed with this token; they stay due."""
    await transaction.execute(
        update(users).where(users.c.claimed_by == token).values(claimed_by=None, claimed_until=None)
    )


async def make_due(transaction: AsyncConnection, now: datetime) -> None:
    """Make every tracked user due now, also those being looked at: that look may be over soon."""
    later = or_(users.c.next_check_at > now, users.c.claimed_until > now)
    await transaction.execute(update(users).where(looked_at, later).values(next_check_at=now))


async def any_due(transaction: AsyncConnection, now: datetime) -> bool:
    """Whether a tracked user waits for a look that nobody takes."""
    free = or_(users.c.claimed_until.is_(None), users.c.claimed_until < now)
    return bool(
        await transaction.scalar(
            select(exists().where(looked_at, users.c.next_check_at <= now, free))
        )
    )


async def oldest_check(transaction: AsyncConnection) -> datetime | None:
    """Since when the most neglected active user has not been looked at; None without users."""
    return await transaction.scalar(
        select(
            func.min(
                func.coalesce(users.c.checked_at, users.c.created_at), type_=users.c.created_at.type
            )
        ).where(looked_at, users.c.state == UserState.ACTIVE.value)
    )
