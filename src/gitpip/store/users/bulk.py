"""Many users at once: adding them, and finding them to change them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as insert_on_postgres
from sqlalchemy.dialects.sqlite import insert as insert_on_sqlite

from gitpip.backfill import Backfill
from gitpip.errors import UserNotTracked
from gitpip.model import User, UserKey, UserState
from gitpip.modes import PublishingMode
from gitpip.store import events
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.rows import reader
from gitpip.store.schema import user_tags, users
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_targets import targets
from gitpip.store.users import former_logins
from gitpip.store.users.user_rows import rows, user_of
from gitpip.store.visibility import tracked
from gitpip.targets import Target


@dataclass(frozen=True)
class UserToAdd:
    """A user to track; GitHub is asked about the login later."""

    login: str
    external_id: str
    backfill: Backfill
    tags: tuple[str, ...] = ()
    interval: timedelta | None = None
    mode: PublishingMode | None = None
    target: Target | None = None
    """The target of the activities; Pipedrive is asked before the first one."""
    any_id: bool = False
    """Whether the id is only a proposal: a user tracked under another id keeps that one."""


@dataclass(frozen=True)
class KnownUser:
    """The user who is tracked under a login."""

    login: str
    external_id: str


_known_user = reader(KnownUser)


@dataclass(frozen=True)
class AddOutcome:
    """The result for one user: added, tracked already, or in conflict with another user."""

    added: bool
    conflict: str | None = None


async def add_many(
    transaction: Transaction,
    wanted: Sequence[UserToAdd],
    now: datetime,
    *,
    import_id: int | None = None,
) -> tuple[AddOutcome, ...]:
    """Add these users, due at once; return an outcome for each, in their order.

    `import_id` is the import that adds them. Pass a few thousand at a time at most.
    """
    outcomes = await foreseen(transaction, wanted)
    new = [user for user, outcome in zip(wanted, outcomes, strict=True) if outcome.added]
    keys = await _insert(transaction, new, now, import_id)
    await _insert_details(transaction, new, keys)
    added = [NewEvent(EventKind.USER_ADDED, UserKey(key)) for key in keys.values()]
    await events.record(transaction, now, *added)
    late = AddOutcome(added=False, conflict="someone else added it a moment ago")
    return tuple(
        late if outcome.added and user.login.lower() not in keys else outcome
        for user, outcome in zip(wanted, outcomes, strict=True)
    )


async def foreseen(transaction: Transaction, wanted: Sequence[UserToAdd]) -> tuple[AddOutcome, ...]:
    """Return what `add_many` would do with these users, unless another transaction is faster.

    Changes nothing. Pass a few thousand at a time at most.
    """
    by_login, by_id, formerly = await _known(transaction, wanted)
    outcomes = []
    for user in wanted:
        known_id = by_login.get(user.login.lower())
        known_login = by_id.get(user.external_id)
        if known_id is None and known_login is None:
            by_login[user.login.lower()] = user.external_id
            by_id[user.external_id] = user.login
            outcomes.append(AddOutcome(added=True))
        elif (
            known_id == user.external_id
            or (known_id is not None and user.any_id)
            or (known_id is None and (user.login.lower(), user.external_id) in formerly)
        ):
            outcomes.append(AddOutcome(added=False))
        elif known_id is not None:
            reason = (
                f"{user.login} keeps customer ID {known_id}. The file says {user.external_id}, and "
                "an import does not change people you already track. Change it on the person's "
                "page, or with gitpip users change"
            )
            outcomes.append(AddOutcome(added=False, conflict=reason))
        else:
            reason = f"customer ID {user.external_id} is taken already, by {known_login}"
            outcomes.append(AddOutcome(added=False, conflict=reason))
    return tuple(outcomes)


async def find_each(transaction: Transaction, logins: Sequence[str]) -> tuple[User, ...]:
    """Return the tracked users with these logins, in any case.

    Raises UserNotTracked, which names the logins that are not tracked. Pass a few hundred at a time
    at most.
    """
    wanted = [login.lower() for login in logins]
    found = await transaction.execute(
        rows().where(tracked, func.lower(users.c.login).in_(wanted)).order_by(users.c.key)
    )
    each = tuple(user_of(row) for row in found)
    known = {user.login.lower() for user in each}
    if unknown := [login for login in logins if login.lower() not in known]:
        raise UserNotTracked(
            f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not tracked",
            logins=unknown,
        )
    return each


async def tracked_among(transaction: Transaction, logins: Sequence[str]) -> dict[str, KnownUser]:
    """Return the tracked ones among these logins, by their lower case.

    Pass a few thousand at most.
    """
    wanted = [login.lower() for login in logins]
    found = await transaction.execute(
        select(users.c.login, users.c.external_id).where(
            tracked, func.lower(users.c.login).in_(wanted)
        )
    )
    return {one.login.lower(): one for one in map(_known_user, found)}


async def lock_each(transaction: Transaction, logins: Sequence[str]) -> tuple[User, ...]:
    """Return the tracked users with these logins, their rows locked until the transaction ends."""
    wanted = [login.lower() for login in logins]
    # In one order, so that two transactions that lock some of the same rows never deadlock. Read
    # after that: what is stored next to a row, such as tags, is then as the last holder left it.
    await transaction.execute(
        select(users.c.key)
        .where(tracked, func.lower(users.c.login).in_(wanted))
        .order_by(users.c.key)
        .with_for_update()
    )
    return await find_each(transaction, logins)


async def _known(
    transaction: Transaction, wanted: Sequence[UserToAdd]
) -> tuple[dict[str, str], dict[str, str], set[tuple[str, str]]]:
    """Return the tracked users in question: ids by login in lower case, logins by id.

    Also their former logins, in lower case, each with the id: a list may be imported again after a
    rename.
    """
    logins = [user.login.lower() for user in wanted]
    same_id = users.c.external_id.in_([user.external_id for user in wanted])
    rows = (
        await transaction.execute(
            select(users.c.login, users.c.external_id).where(
                tracked, or_(func.lower(users.c.login).in_(logins), same_id)
            )
        )
    ).all()
    return (
        {row.login.lower(): row.external_id for row in rows},
        {row.external_id: row.login for row in rows},
        await former_logins.with_external_ids(transaction, same_id, logins),
    )


async def _insert(
    transaction: Transaction, new: Sequence[UserToAdd], now: datetime, import_id: int | None
) -> dict[str, int]:
    """Insert users and return the keys of the inserted ones, by login in lower case."""
    if not new:
        return {}
    sqlite = transaction.dialect.name == "sqlite"
    statement = (insert_on_sqlite if sqlite else insert_on_postgres)(users)
    rows = await transaction.execute(
        statement.on_conflict_do_nothing().returning(users.c.key, users.c.login),
        [
            {
                "login": user.login,
                "external_id": user.external_id,
                "backfill": user.backfill,
                "state": UserState.ACTIVE,
                "backfill_left": user.backfill.count,
                "created_at": now,
                "added_at": now,
                "added_by_our_clock": True,
                "next_check_at": now,
                "check_interval": user.interval,
                "publishing_mode": user.mode,
                "import_id": import_id,
            }
            for user in new
        ],
    )
    return {row.login.lower(): row.key for row in rows}


async def _insert_details(
    transaction: Transaction, new: Sequence[UserToAdd], keys: dict[str, int]
) -> None:
    added = [(keys[user.login.lower()], user) for user in new if user.login.lower() in keys]
    if tagged := [{"user_key": key, "tag": tag} for key, user in added for tag in user.tags]:
        await transaction.execute(insert(user_tags), tagged)
    bound = await accounts.bound(transaction, Vendor.DESTINATION)
    with_target = [
        {
            "user_key": key,
            "target": user.target,
            "account_key": bound.key if bound else None,
        }
        for key, user in added
        if user.target is not None
    ]
    if with_target:
        await transaction.execute(insert(targets), with_target)
