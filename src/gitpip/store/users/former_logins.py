"""The logins that a user had before renames; the user is found by each of them."""

from collections.abc import Collection

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    case,
    func,
    insert,
    literal,
    select,
)

from gitpip.model import UserKey
from gitpip.store.database import Transaction
from gitpip.store.schema import former_logins, users
from gitpip.store.visibility import tracked


async def note_rename(transaction: Transaction, key: UserKey, login: str) -> None:
    """Keep a user's present login, which is about to become `login`.

    A login that only changes its case is still found, so it is not kept as a former one.
    """
    lower = func.lower(users.c.login)
    kept = (
        select(former_logins.c.user_key)
        .where(former_logins.c.user_key == users.c.key, former_logins.c.login == lower)
        .exists()
    )
    present = select(users.c.key, lower).where(
        users.c.key == key, lower != literal(login.lower()), ~kept
    )
    await transaction.execute(insert(former_logins).from_select(["user_key", "login"], present))


def last_one(login: str) -> ColumnElement[str]:
    """Return what to set `users.former_login` to in the update that gives a row this login."""
    renamed = func.lower(users.c.login) != login.lower()
    return case((renamed, users.c.login), else_=users.c.former_login)


async def newest_with(transaction: Transaction, login: str) -> UserKey | None:
    """Return the tracked user with this former login; of several, the one added last."""
    key = await transaction.scalar(_newest_with(login))
    return None if key is None else UserKey(key)


def found_by(login: str) -> CompoundSelect[int]:
    """Return the query of the key of the tracked user that `users.find` finds by a login."""
    present = select(users.c.key).where(tracked, func.lower(users.c.login) == login.lower())
    former = _newest_with(login).where(~present.exists()).subquery()
    return present.union_all(select(former.c.key))


def _newest_with(login: str) -> Select[int]:
    return (
        select(users.c.key)
        .join(former_logins, former_logins.c.user_key == users.c.key)
        .where(tracked, former_logins.c.login == login.lower())
        .order_by(users.c.key.desc())
        .limit(1)
    )


async def had(transaction: Transaction, key: UserKey, login: str) -> bool:
    """Return whether a user had a login before."""
    found = await transaction.scalar(
        select(former_logins.c.login).where(
            former_logins.c.user_key == key, former_logins.c.login == login.lower()
        )
    )
    return found is not None


async def with_external_ids(
    transaction: Transaction, which: ColumnElement[bool], logins: Collection[str]
) -> set[tuple[str, str]]:
    """Return the former logins among these, in lower case, each with the id of its tracked user."""
    rows = await transaction.execute(
        select(former_logins.c.login, users.c.external_id)
        .join(users, users.c.key == former_logins.c.user_key)
        .where(tracked, which, former_logins.c.login.in_(logins))
    )
    return {(row.login, row.external_id) for row in rows}
