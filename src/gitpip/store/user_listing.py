"""Lists of users for the pages: filtered, sorted, and a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from gitpip.model import Page, User, UserState
from gitpip.store.database import Transaction
from gitpip.store.listing import tagged
from gitpip.store.read_state import is_unread, line_of
from gitpip.store.schema import gists, users
from gitpip.store.schema_inbox import inbox
from gitpip.store.users.user_rows import rows, user_of
from gitpip.store.visibility import tracked


class UserSort(StrEnum):
    """The order of the listed users."""

    LOGIN = "login"
    FOUND = "found"
    CHECKED = "checked"
    STALE = "stale"


ORDERS: dict[UserSort, Sequence[ColumnElement[object]]] = {
    UserSort.LOGIN: (func.lower(users.c.login),),
    UserSort.FOUND: (users.c.found_at.desc().nulls_last(), users.c.key),
    UserSort.CHECKED: (users.c.checked_at.desc().nulls_last(), users.c.key),
    UserSort.STALE: (users.c.complete_until.asc().nulls_first(), users.c.key),
}
BACKWARDS: dict[UserSort, Sequence[ColumnElement[object]]] = {
    UserSort.LOGIN: (func.lower(users.c.login).desc(),),
    UserSort.FOUND: (users.c.found_at.asc().nulls_first(), users.c.key.desc()),
    UserSort.CHECKED: (users.c.checked_at.asc().nulls_first(), users.c.key.desc()),
    UserSort.STALE: (users.c.complete_until.desc().nulls_last(), users.c.key.desc()),
}
"""The same orders from their ends, so that the last pages are as near as the first ones."""


@dataclass(frozen=True)
class UserWanted:
    """The users to list; an empty field does not narrow."""

    login: str = ""
    tag: str = ""
    state: UserState | None = None


@dataclass(frozen=True)
class ListedUser:
    """A user in the list, with the number of stored gists, and of those the viewer has not read."""

    user: User
    new: int
    gists: int


async def list_users(
    transaction: Transaction,
    viewer: str,
    wanted: UserWanted,
    sort: UserSort,
    *,
    offset: int,
    limit: int,
) -> Page[ListedUser]:
    """Return a page of the tracked users."""
    conditions = _conditions(wanted)
    counted = select(func.count()).select_from(users).where(*conditions)
    total = await transaction.scalar(counted) or 0
    line = await line_of(transaction, viewer)
    unread = (
        select(func.count())
        .select_from(inbox)
        .where(inbox.c.user_key == users.c.key, is_unread(viewer, line))
        .correlate(users)
        .scalar_subquery()
    )
    stored = (
        select(func.count())
        .where(gists.c.user_key == users.c.key)
        .correlate(users)
        .scalar_subquery()
    )
    # First the keys alone: otherwise values are read for rows that are left out.
    keys = _page_of(select(users.c.key).where(*conditions), sort, offset, limit, total).subquery()
    found = await transaction.execute(
        rows()
        .add_columns(unread.label("unread"), stored.label("gists"))
        .where(users.c.key.in_(select(keys.c.key)))
        .order_by(*ORDERS[sort])
    )
    items = [ListedUser(user_of(row), row.unread, row.gists) for row in found]
    return Page(tuple(items), total)


def _page_of(
    chosen: Select[Any], sort: UserSort, offset: int, limit: int, total: int
) -> Select[Any]:
    """Return this page of `total` rows, counted from the nearer end."""
    if offset <= total - offset:
        return chosen.order_by(*ORDERS[sort]).offset(offset).limit(limit)
    limit = min(limit, max(total - offset, 0))
    return chosen.order_by(*BACKWARDS[sort]).offset(max(total - offset - limit, 0)).limit(limit)


async def logins(transaction: Transaction, wanted: UserWanted, *, limit: int) -> tuple[str, ...]:
    """Return the logins of at most `limit` tracked users that fit, in the order of their adding."""
    chosen = select(users.c.login).where(*_conditions(wanted)).order_by(users.c.key).limit(limit)
    return tuple((await transaction.execute(chosen)).scalars())


def _conditions(wanted: UserWanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [tracked]
    if wanted.login:
        conditions.append(func.lower(users.c.login).contains(wanted.login.lower(), autoescape=True))
    if wanted.state:
        conditions.append(users.c.state == wanted.state)
    if wanted.tag:
        conditions.append(users.c.key.in_(tagged(wanted.tag)))
    return conditions
