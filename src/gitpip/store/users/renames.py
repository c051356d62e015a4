"""Renames: the logins that GitHub shows for the accounts of users, and what follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, update

from gitpip.model import Account, User, UserKey
from gitpip.store import events
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.schema import users as user_rows
from gitpip.store.schema_events import EventKind
from gitpip.store.users import former_logins, users


@dataclass(frozen=True)
class Rename:
    """A user who has another login now."""

    user_key: UserKey
    login: str
    old_login: str


@dataclass(frozen=True)
class Renames:
    """The result of following the accounts of users."""

    renamed: tuple[Rename, ...]
    waiting: frozenset[UserKey]
    """Users whose new login another user still has, whose own rename was not seen yet: they are to
    be checked again."""


async def follow(
    transaction: Transaction, seen: Sequence[tuple[User, Account]], now: datetime
) -> Renames:
    """Record what GitHub shows of the accounts of users: their logins and their ids in GraphQL.

    A login is spelled as GitHub spells it. One that differs only in case is no rename: for people
    and for GitHub it is the same login. A rename is an event, and the former login is kept. Users
    that are no longer tracked are left.
    """
    renamed: list[Rename] = []
    waiting: set[UserKey] = set()
    for user, account in sorted(seen, key=lambda each: each[0].key):
        if not _differs(user, account):
            continue
        present = await users.lock(transaction, user.key)
        if present is None:
            continue
        is_renamed = present.login.lower() != account.login.lower()
        if is_renamed and await users.login_taken(transaction, account.login):
            waiting.add(user.key)
            continue
        await former_logins.note_rename(transaction, user.key, account.login)
        await transaction.execute(
            update(user_rows)
            .where(user_rows.c.key == user.key)
            .values(
                former_login=former_logins.last_one(account.login),
                login=account.login,
                github_id=account.github_id,
                node_id=func.coalesce(account.node_id, user_rows.c.node_id),
            )
        )
        if is_renamed:
            renamed.append(Rename(user.key, account.login, present.login))
    happened = [
        NewEvent(EventKind.USER_RENAMED, each.user_key, detail=f"formerly {each.old_login}")
        for each in renamed
    ]
    await events.record(transaction, now, *happened)
    return Renames(tuple(renamed), frozenset(waiting))


def _differs(user: User, account: Account) -> bool:
    known = (user.login, user.github_id, user.node_id)
    return known != (account.login, account.github_id, account.node_id or user.node_id)
