"""The condition that hides everything of a user who is no longer tracked.

Removing a user keeps the rows, so that adding the user again restores everything and publishes
nothing twice. Every query whose result a person or a program sees, and every query that decides
what is sent, takes its condition from here. Watching and storing read the tables as they are.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from sqlalchemy import ColumnElement, FromClause, func, select, union

from gitpip.store import schema
from gitpip.store.database import Transaction
from gitpip.store.rows import in_pieces
from gitpip.store.schema import former_logins, users

tracked = schema.tracked
removed = schema.removed
"""The conditions on a row of `users`; the schema has them for its indexes."""

_owner = users.alias("owner")
_LOGIN = re.compile("[a-z0-9-]+(?:_[a-z0-9]+)?", re.IGNORECASE)


@lru_cache(maxsize=32)
def is_tracked(alias: FromClause) -> ColumnElement[bool]:
    """Return the condition `tracked` on a row of an alias of `users`."""
    return alias.c.removed_at.is_(None)


@lru_cache(maxsize=32)
def of_tracked(user_key: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that the user with this key is tracked, for a query without `users`."""
    return (
        select(_owner.c.key)
        .where(_owner.c.key == user_key, is_tracked(_owner))
        .correlate_except(_owner)
        .exists()
    )


def of_removed(user_key: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that the user with this key was removed; fast if few users were."""
    return user_key.in_(select(_owner.c.key).where(_owner.c.removed_at.is_not(None)))


async def without_removed(transaction: Transaction, lines: Iterable[str]) -> frozenset[str]:
    """Return those of these stored lines that name no removed user.

    A line names a user if one of its words is the login, or a former login, of a removed user, and
    the login of no tracked one. Records of checks and imports hold such lines as text, also those
    that an earlier version wrote.
    """
    words = {line: {word.lower() for word in _LOGIN.findall(line)} for line in lines}
    removed = await _removed_logins(transaction, sorted(set().union(*words.values())))
    return frozenset(line for line, named in words.items() if removed.isdisjoint(named))


async def _removed_logins(transaction: Transaction, words: Sequence[str]) -> set[str]:
    login = func.lower(users.c.login)
    hidden: set[str] = set()
    for some in in_pieces(words):
        of_users = select(login).where(removed, login.in_(some))
        formerly = select(former_logins.c.login).where(
            former_logins.c.login.in_(some), of_removed(former_logins.c.user_key)
        )
        found = await transaction.execute(union(of_users, formerly))
        hidden.update(found.scalars())
    still_tracked: set[str] = set()
    for some in in_pieces(sorted(hidden)):
        found = await transaction.execute(select(login).where(tracked, login.in_(some)))
        still_tracked.update(row[0] for row in found)
    return hidden - still_tracked
