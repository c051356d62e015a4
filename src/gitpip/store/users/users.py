"""Tracked users: adding, finding, changing and removing them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import and_, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gitpip.backfill import Backfill
from gitpip.errors import UserConflict, UserNotTracked
from gitpip.model import Account, FailureKind, GitHubId, Page, User, UserKey, UserState
from gitpip.modes import PublishingMode
from gitpip.store import commit_order, events
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.schema import unreadable, user_tags, users
from gitpip.store.schema_events import EventKind
from gitpip.store.users import former_logins, targets
from gitpip.store.users.user_rows import rows, user_of
from gitpip.store.visibility import is_tracked, removed, tracked
from gitpip.targets import Target, TargetChoice
from gitpip.validation import any_of

USERS_READ_AT_ONCE = 1_000
GENERAL: Final = "general"
"""The word that replaces a user's own interval or mode by the one of the settings."""

Interval = timedelta | Literal["general"]
Mode = PublishingMode | Literal["general"]


def parsed_mode(text: str, *, reset_by: str = GENERAL) -> Mode:
    """Return a user's own mode, or `GENERAL` for the word `reset_by`.

    Raises ValueError with the possible words.
    """
    word = text.strip().lower()
    if word == reset_by:
        return GENERAL
    try:
        return PublishingMode(word)
    except ValueError:
        words = any_of((*PublishingMode, reset_by))
        raise ValueError(f"must be {words}, not {text[:40]!r}") from None


@dataclass(frozen=True)
class Changes:
    """Changes of a user; None leaves a value as it is."""

    external_id: str | None = None
    backfill: Backfill | None = None
    tags: tuple[str, ...] | None = None
    interval: Interval | None = None
    paused: bool | None = None
    mode: Mode | None = None
    target: TargetChoice | None = None
    """The target of the activities; see `gitpip.store.users.targets`."""
    target_seen: targets.SeenTarget | None = None
    """The target as Pipedrive has just shown it; None if it was not asked."""


NO_CHANGES = Changes()


@dataclass(frozen=True)
class AddedUser:
    """The result of `add`: `new` is False if the same pair was tracked already."""

    user: User
    new: bool


class LoginAndId(NamedTuple):
    """A user in the list of all users."""

    login: str
    external_id: str


async def add(
    transaction: Transaction,
    login: str,
    *,
    external_id: str | None,
    account: Account | None,
    backfill: Backfill,
    now: datetime,
) -> AddedUser:
    """Track a user, due at once. A removed user comes back with all that is known of them.

    Without an `external_id` a removed user keeps the old one, if it is free, and others get
    GitHub's id, or the login while the account is not known. Raises UserConflict if the login or
    the id belongs to another tracked user.
    """
    login = account.login if account else login
    default_id = str(account.github_id) if account else login.lower()
    known = await known_pair(transaction, login, external_id or default_id)
    if known:
        return AddedUser(known, new=False)
    if external_id is None and account:
        external_id = await former_id_of(transaction, account.github_id)
    external_id = external_id or default_id
    try:
        async with transaction.begin_nested():
            key = await _revive_or_insert(
                transaction,
                login=login,
                external_id=external_id,
                github_id=account.github_id if account else None,
                now=now,
                values=_past_of(backfill, account, now),
            )
    except IntegrityError:
        raise UserConflict(f"{login} or the id {external_id} was added a moment ago") from None
    if key is None:  # another transaction was faster to bring the same user back
        known = await known_pair(transaction, login, external_id)
        if known is None:
            about = account.github_id if account else login
            raise UserConflict(f"GitHub's account {about} is already tracked")
        return AddedUser(known, new=False)
    await events.record(transaction, now, NewEvent(EventKind.USER_ADDED, key))
    return AddedUser(await get(transaction, key), new=True)


def _past_of(backfill: Backfill, account: Account | None, now: datetime) -> dict[str, object]:
    """Return the values of the backfill rule, and the time before which it applies to gists."""
    added_at = account.seen_at if account else None
    return {
        "node_id": account.node_id if account else None,
        "backfill": backfill,
        "backfill_left": backfill.count,
        "added_at": added_at or now,
        "added_by_our_clock": added_at is None,
    }


async def former_id_of(transaction: Transaction, github_id: GitHubId) -> str | None:
    """Return the id of a removed user, if no tracked user has it."""
    same = users.alias("same")
    taken = exists().where(is_tracked(same), same.c.external_id == users.c.external_id)
    former: str | None = await transaction.scalar(
        select(users.c.external_id).where(users.c.github_id == github_id, removed, ~taken)
    )
    return former


async def known_pair(transaction: Transaction, login: str, external_id: str) -> User | None:
    """Return the tracked user with this login and this id; None if both are free.

    The login may be a former one of the user, if no other tracked user has it now. Raises
    UserConflict if the login or the id belongs to another.
    """
    same_login = await _one(transaction, tracked, func.lower(users.c.login) == login.lower())
    same_id = await _one(transaction, tracked, users.c.external_id == external_id)
    # Another transaction may have added this very user between the two queries.
    if same_id and not same_login:
        is_its_own = login.lower() == same_id.login.lower()
        if is_its_own or await former_logins.had(transaction, same_id.key, login):
            return same_id
    if same_login and same_login != same_id:
        raise UserConflict(f"{login} is already tracked (customer ID {same_login.external_id})")
    if same_id and same_id != same_login:
        raise UserConflict(f"customer ID {external_id} is taken already, by {same_id.login}")
    return same_login


async def _revive_or_insert(
    transaction: Transaction,
    *,
    login: str,
    external_id: str,
    github_id: GitHubId | None,
    now: datetime,
    values: dict[str, object],
) -> UserKey | None:
    """Return the key; None if another transaction has just brought the same user back."""
    values = {
        **values,
        "login": login,
        "external_id": external_id,
        "state": UserState.ACTIVE,
        "next_check_at": now,
        "hinted_at": now,
        "removed_at": None,
        "failures": 0,
        "failure": None,
        "import_id": None,
    }
    if github_id is not None:
        known = (
            await transaction.execute(
                select(users.c.key, users.c.removed_at, users.c.login)
                .where(users.c.github_id == github_id)
                # Else two would each find the user removed, and the second overwrite the first.
                .with_for_update()
            )
        ).one_or_none()
        if known and known.removed_at is None:
            if known.login.lower() == login.lower():
                return None
            raise UserConflict(f"GitHub's account {github_id} is already tracked, as {known.login}")
        if known:
            await events.forget(transaction, UserKey(known.key))
            await commit_order.about_to_appear(transaction)
            values["found_key"] = await commit_order.newest(transaction)
            await former_logins.note_rename(transaction, UserKey(known.key), login)
            values["former_login"] = former_logins.last_one(login)
            await transaction.execute(update(users).where(users.c.key == known.key).values(values))
            return UserKey(known.key)
    result = await transaction.execute(
        insert(users).values(**values, github_id=github_id, created_at=now).returning(users.c.key)
    )
    return UserKey(result.scalar_one())


async def get(transaction: Transaction, key: UserKey) -> User:
    """Return the tracked user of a row; raises UserNotTracked."""
    user = await _one(transaction, tracked, users.c.key == key)
    if user is None:
        raise UserNotTracked(f"no user with the key {key} is tracked")
    return user


async def find(transaction: Transaction, login: str) -> User:
    """Return the tracked user with a login, in any case; raises UserNotTracked.

    If no tracked user has the login now, it is the user who had it before; of several, the one
    added last.
    """
    user = await _one(transaction, tracked, func.lower(users.c.login) == login.lower())
    if user is None:
        formerly = await former_logins.newest_with(transaction, login)
        user = None if formerly is None else await _one(transaction, users.c.key == formerly)
    if user is None:
        raise UserNotTracked(f"{login} is not tracked", login=login)
    return user


async def with_account(transaction: Transaction, account: Account) -> User | None:
    """Return the tracked user with this account, or with its login if theirs is not known yet."""
    same = await _one(transaction, tracked, users.c.github_id == account.github_id)
    if same:
        return same
    same_login = func.lower(users.c.login) == account.login.lower()
    return await _one(transaction, tracked, users.c.github_id.is_(None), same_login)


async def everyone(transaction: Transaction) -> tuple[User, ...]:
    """Return all tracked users, in the order of their adding."""
    found = await transaction.execute(rows().where(tracked).order_by(users.c.key))
    return tuple(user_of(row) for row in found)


async def in_pages(transaction: Transaction) -> AsyncIterator[tuple[LoginAndId, ...]]:
    """Yield the logins and ids of all tracked users, in the order of their adding, by pages.

    Within a transaction of `Database.read` these are the users of one moment.
    """
    after = 0
    while True:
        found = await transaction.execute(
            select(users.c.key, users.c.login, users.c.external_id)
            .where(tracked, users.c.key > after)
            .order_by(users.c.key)
            .limit(USERS_READ_AT_ONCE)
        )
        rows = found.all()
        if not rows:
            return
        yield tuple(LoginAndId(row.login, row.external_id) for row in rows)
        after = rows[-1].key


async def page(
    transaction: Transaction,
    *,
    offset: int,
    limit: int,
    login_contains: str = "",
    tag: str | None = None,
) -> Page[User]:
    """Return a page of the tracked users, by login: all, or those with a tag."""
    wanted = and_(
        tracked, func.lower(users.c.login).contains(login_contains.lower(), autoescape=True)
    )
    if tag is not None:
        tagged = select(user_tags.c.user_key).where(user_tags.c.tag == tag)
        wanted = and_(wanted, users.c.key.in_(tagged))
    total = await transaction.scalar(select(func.count()).select_from(users).where(wanted))
    found = await transaction.execute(
        rows().where(wanted).order_by(func.lower(users.c.login)).offset(offset).limit(limit)
    )
    return Page(tuple(user_of(row) for row in found), total or 0)


async def any_tracked(transaction: Transaction) -> bool:
    """Return whether any user is tracked."""
    return bool(await transaction.scalar(select(exists().where(tracked))))


async def count(transaction: Transaction) -> dict[UserState, int]:
    """Return how many tracked users are in each state."""
    found = await transaction.execute(
        select(users.c.state, func.count()).where(tracked).group_by(users.c.state)
    )
    return {UserState(state): number for state, number in found}


def _values_of(changes: Changes, now: datetime) -> dict[str, object]:
    """Return the values that the changes give the user's row."""
    values: dict[str, object] = {}
    if changes.external_id is not None:
        values["external_id"] = changes.external_id
    if changes.backfill is not None:
        values |= {"backfill": changes.backfill, "backfill_left": changes.backfill.count}
    if changes.interval is not None:
        # The next check is due now, so that a shorter interval applies from now on.
        own = changes.interval if isinstance(changes.interval, timedelta) else None
        values["check_interval"] = None if own is None else max(own, timedelta(seconds=1))
        values["next_check_at"] = now
    if changes.mode is not None:
        values["publishing_mode"] = None if changes.mode == GENERAL else changes.mode
    if changes.paused is not None:
        values["state"] = UserState.PAUSED if changes.paused else UserState.ACTIVE
        values |= {"next_check_at": now, "failures": 0, "failure": None}
    return values


async def change(transaction: Transaction, key: UserKey, changes: Changes, now: datetime) -> User:
    """Apply changes that a caller may make; raises UserNotTracked, UserConflict."""
    values = _values_of(changes, now)
    if values:
        try:
            async with transaction.begin_nested():
                await transaction.execute(
                    update(users).where(users.c.key == key, tracked).values(values)
                )
        except IntegrityError:
            raise UserConflict(f"customer ID {changes.external_id} is taken already") from None
    if changes.paused is not None:
        kind = EventKind.USER_PAUSED if changes.paused else EventKind.USER_RESUMED
        await events.record(transaction, now, NewEvent(kind, key))
    if changes.mode is not None:
        told = NewEvent(EventKind.USER_MODE_CHANGED, key, detail=str(changes.mode))
        await events.record(transaction, now, told)
    if changes.target is not None:
        own = changes.target if isinstance(changes.target, Target) else None
        await targets.put(transaction, key, own, changes.target_seen, now)
    if changes.tags is not None:
        await transaction.execute(delete(user_tags).where(user_tags.c.user_key == key))
        if changes.tags:
            await transaction.execute(
                insert(user_tags), [{"user_key": key, "tag": tag} for tag in changes.tags]
            )
    return await get(transaction, key)


async def remove(transaction: Transaction, key: UserKey, now: datetime) -> None:
    """Stop tracking. The rows stay, so that adding the user again publishes nothing twice.

    Users that could not be checked because this one was tracked for the same account become due
    now.
    """
    removed = await transaction.execute(
        update(users).where(users.c.key == key, tracked).values(removed_at=now)
    )
    if removed.rowcount:
        kept_out = (
            select(users.c.key)
            .where(tracked, users.c.failure.is_not(None))
            .where(users.c.failure_kind == FailureKind.SAME_ACCOUNT, users.c.same_account_as == key)
            # A user that a check holds while it waits for the removed one is skipped, not waited
            # for.
            .with_for_update(skip_locked=True)
        )
        await transaction.execute(
            update(users)
            .where(users.c.key.in_(kept_out))
            .values(failure=None, failures=0, next_check_at=now)
        )


async def lock(transaction: Transaction, key: UserKey) -> User | None:
    """Lock the user's row until the transaction ends; return None if it is no longer tracked."""
    found = await transaction.execute(
        select(users.c.key)
        .where(users.c.key == key, tracked)
        # Others may meanwhile write a row that only refers to the user, as a deal does.
        .with_for_update(key_share=True)
    )
    return await _one(transaction, users.c.key == key) if found.first() else None


async def login_taken(transaction: Transaction, login: str) -> bool:
    """Return whether a tracked user has this login, perhaps until their rename is seen."""
    same = func.lower(users.c.login) == login.lower()
    return bool(await transaction.scalar(select(exists().where(tracked, same))))


async def _one(transaction: Transaction, *wanted: Any) -> User | None:
    row = (await transaction.execute(rows().where(*wanted))).one_or_none()
    return user_of(row) if row else None


async def make_due(transaction: Transaction, key: UserKey, now: datetime) -> None:
    """Make a tracked user due now, with the gists that could not be read."""
    await transaction.execute(
        update(users).where(users.c.key == key, tracked).values(next_check_at=now, hinted_at=now)
    )
    await transaction.execute(
        update(unreadable).where(unreadable.c.user_key == key).values(next_try_at=now)
    )
