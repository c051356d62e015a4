"""Tracked users: added, found, changed, removed, and claimed for a check."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.errors import UserConflict, UserNotTracked
from gitpip.model import Account, Backfill, DealId, GitHubId, Page, User, UserKey, UserState
from gitpip.store.schema import deals, users

tracked = users.c.removed_at.is_(None)


@dataclass(frozen=True)
class Added:
    """What `add` did: `new` is False when the same pair was tracked already."""

    user: User
    new: bool


async def add(
    transaction: AsyncConnection,
    *,
    login: str,
    external_id: str,
    github_id: GitHubId | None,
    backfill: Backfill,
    now: datetime,
) -> Added:
    """Track a user, due at once. A user who was removed comes back with all that is known of them.

    Raises UserConflict when the login or the id belongs to another tracked user.
    """
    known = await known_pair(transaction, login, external_id)
    if known:
        return Added(known, new=False)
    try:
        async with transaction.begin_nested():
            key = await _revive_or_insert(
                transaction,
                login=login,
                external_id=external_id,
                github_id=github_id,
                backfill=str(backfill),
                now=now,
            )
    except IntegrityError:
        raise UserConflict(f"{login} or the id {external_id} was added a moment ago") from None
    return Added(await get(transaction, key), new=True)


async def known_pair(transaction: AsyncConnection, login: str, external_id: str) -> User | None:
    """The tracked user with this login and this id; None when both are free.

    Raises UserConflict when one of them belongs to another.
    """
    same_login = await _one(transaction, tracked, func.lower(users.c.login) == login.lower())
    same_id = await _one(transaction, tracked, users.c.external_id == external_id)
    if same_login and same_login != same_id:
        raise UserConflict(f"{login} is tracked already, under the id {same_login.external_id}")
    if same_id and same_id != same_login:
        raise UserConflict(f"the id {external_id} is taken already, by {same_id.login}")
    return same_login


async def _revive_or_insert(
    transaction: AsyncConnection,
    *,
    login: str,
    external_id: str,
    github_id: GitHubId | None,
    backfill: str,
    now: datetime,
) -> UserKey:
    values = {
        "login": login,
        "external_id": external_id,
        "backfill": backfill,
        "state": UserState.ACTIVE.value,
        "next_check_at": now,
        "removed_at": None,
        "failures": 0,
        "failure": None,
    }
    if github_id is not None:
        known = (
            await transaction.execute(
                select(users.c.key, users.c.removed_at, users.c.login).where(
                    users.c.github_id == github_id
                )
            )
        ).one_or_none()
        if known and known.removed_at is None:
            raise UserConflict(f"GitHub's account {github_id} is tracked already, as {known.login}")
        if known:
            await transaction.execute(update(users).where(users.c.key == known.key).values(values))
            return UserKey(known.key)
    result = await transaction.execute(
        insert(users).values(**values, github_id=github_id, created_at=now).returning(users.c.key)
    )
    return UserKey(result.scalar_one())


async def get(transaction: AsyncConnection, key: UserKey) -> User:
    """The tracked user of a row; raises UserNotTracked."""
    user = await _one(transaction, tracked, users.c.key == key)
    if user is None:
        raise UserNotTracked(f"no user with the key {key} is tracked")
    return user


async def find(transaction: AsyncConnection, login: str) -> User:
    """The tracked user of a login, in any case; raises UserNotTracked."""
    user = await _one(transaction, tracked, func.lower(users.c.login) == login.lower())
    if user is None:
        raise UserNotTracked(f"{login} is not tracked; add it first")
    return user


async def everyone(transaction: AsyncConnection) -> tuple[User, ...]:
    """All tracked users, in the order of their adding."""
    rows = await transaction.execute(_users().where(tracked).order_by(users.c.key))
    return tuple(_user(row) for row in rows)


async def page(
    transaction: AsyncConnection, *, offset: int, limit: int, login_contains: str = ""
) -> Page[User]:
    """A slice of the tracked users, by login."""
    wanted = and_(
        tracked, func.lower(users.c.login).contains(login_contains.lower(), autoescape=True)
    )
    total = await transaction.scalar(select(func.count()).select_from(users).where(wanted))
    rows = await transaction.execute(
        _users().where(wanted).order_by(func.lower(users.c.login)).offset(offset).limit(limit)
    )
    return Page(tuple(_user(row) for row in rows), total or 0)


async def count(transaction: AsyncConnection) -> dict[UserState, int]:
    """How many tracked users are in each state."""
    rows = await transaction.execute(
        select(users.c.state, func.count()).where(tracked).group_by(users.c.state)
    )
    return {UserState(state): number for state, number in rows}


async def change(
    transaction: AsyncConnection,
    key: UserKey,
    *,
    external_id: str | None,
    backfill: Backfill | None,
) -> User:
    """Change what a caller may change; raises UserNotTracked, UserConflict."""
    values: dict[str, str] = {}
    if external_id is not None:
        values["external_id"] = external_id
    if backfill is not None:
        values["backfill"] = str(backfill)
    if values:
        try:
            async with transaction.begin_nested():
                await transaction.execute(
                    update(users).where(users.c.key == key, tracked).values(values)
                )
        except IntegrityError:
            raise UserConflict(f"the id {external_id} is taken already") from None
    return await get(transaction, key)


async def remove(transaction: AsyncConnection, key: UserKey, now: datetime) -> None:
    """Stop tracking. The rows stay, so that adding the user again publishes nothing twice."""
    await transaction.execute(
        update(users).where(users.c.key == key, tracked).values(removed_at=now)
    )


async def lock(transaction: AsyncConnection, key: UserKey) -> User | None:
    """Take the user's row lock to the end of the transaction; None when no longer tracked."""
    rows = await transaction.execute(
        select(users.c.key).where(users.c.key == key, tracked).with_for_update()
    )
    return await _one(transaction, users.c.key == key) if rows.first() else None


async def resolve(transaction: AsyncConnection, key: UserKey, account: Account) -> User:
    """Note which account a tracked user's login stands for, and return the user's row.

    It is another row when the account was tracked before and removed: that one comes back with
    all that is known of it, under the id and the rule just given, and takes the claim along.
    Raises UserConflict when the account is tracked already, UserNotTracked.
    """
    user = await lock(transaction, key)
    if user is None:
        raise UserNotTracked(f"no user with the key {key} is tracked")
    known = (
        await transaction.execute(
            select(users.c.key, users.c.login, users.c.removed_at)
            .where(users.c.github_id == account.github_id, users.c.key != key)
            .with_for_update()
        )
    ).one_or_none()
    if known is None:
        await transaction.execute(
            update(users).where(users.c.key == key).values(github_id=account.github_id)
        )
        return await get(transaction, key)
    if known.removed_at is None:
        raise UserConflict(f"{user.login} is the same account as {known.login}, tracked already")
    claim = (
        await transaction.execute(
            select(users.c.claimed_by, users.c.claimed_until).where(users.c.key == key)
        )
    ).one()
    await transaction.execute(delete(users).where(users.c.key == key))
    await transaction.execute(
        update(users)
        .where(users.c.key == known.key)
        .values(
            login=user.login,
            external_id=user.external_id,
            backfill=str(user.backfill),
            state=UserState.ACTIVE.value,
            next_check_at=user.next_check_at,
            removed_at=None,
            failures=0,
            failure=None,
            claimed_by=claim.claimed_by,
            claimed_until=claim.claimed_until,
        )
    )
    return await get(transaction, UserKey(known.key))


async def login_taken(transaction: AsyncConnection, login: str, *, by_other_than: UserKey) -> bool:
    """Whether another tracked user goes by this login, perhaps because their own rename waits."""
    other = users.c.key != by_other_than
    same = func.lower(users.c.login) == login.lower()
    return bool(await transaction.scalar(select(exists().where(tracked, other, same))))


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
        .where(tracked, users.c.next_check_at <= (due_by or now), free)
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
    rows = await transaction.execute(_users().where(users.c.key.in_(keys)))
    return tuple(_user(row) for row in rows)


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
    await transaction.execute(update(users).where(tracked, later).values(next_check_at=now))


async def any_due(transaction: AsyncConnection, now: datetime) -> bool:
    """Whether a tracked user waits for a look that nobody takes."""
    free = or_(users.c.claimed_until.is_(None), users.c.claimed_until < now)
    return bool(
        await transaction.scalar(
            select(exists().where(tracked, users.c.next_check_at <= now, free))
        )
    )


async def oldest_check(transaction: AsyncConnection) -> datetime | None:
    """Since when the most neglected active user has not been looked at; None without users."""
    return await transaction.scalar(
        select(
            func.min(
                func.coalesce(users.c.checked_at, users.c.created_at), type_=users.c.created_at.type
            )
        ).where(tracked, users.c.state == UserState.ACTIVE.value)
    )


def _users() -> Select[Any]:
    return select(users, deals.c.deal_id).outerjoin(deals, deals.c.user_key == users.c.key)


async def _one(transaction: AsyncConnection, *wanted: Any) -> User | None:
    row = (await transaction.execute(_users().where(*wanted))).one_or_none()
    return _user(row) if row else None


def _user(row: Row[Any]) -> User:
    return User(
        key=UserKey(row.key),
        login=row.login,
        external_id=row.external_id,
        github_id=None if row.github_id is None else GitHubId(row.github_id),
        backfill=Backfill.parse(row.backfill),
        state=UserState(row.state),
        created_at=row.created_at,
        next_check_at=row.next_check_at,
        checked_at=row.checked_at,
        etag=row.etag,
        failures=row.failures,
        failure=row.failure,
        last_sequence=row.last_sequence,
        deal_id=None if row.deal_id is None else DealId(row.deal_id),
    )
