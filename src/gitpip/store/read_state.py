"""The gists that a reader has read: a line up to which all are read, and marks of single gists.

Each new file and each edit gives a gist a new key in the table `inbox`. A gist is unread if its key
is larger than the reader's line, than the reader's mark of it, and than what the reader's last
visit to its user saw. A mark can also say that a gist is unread, regardless of its key.

The line does not count for a user who was removed when it was drawn, and was added again later. For
such a user, only visits say what was read.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    union,
    union_all,
)

from gitpip.store.database import Transaction
from gitpip.store.schema import users
from gitpip.store.schema_inbox import inbox, inbox_lines, inbox_marks
from gitpip.store.schema_visits import home_visits, visits
from gitpip.store.visibility import tracked

MAX_UNREAD_COUNTED = 1_000
"""The most unread gists that are counted; beyond that, it is "more than"."""
GISTS_CHECKED = 5_000
"""The number of gists that are checked for that.

A reader who has read that many of the newest, and not others, has drawn no line since, and made
visits by a program instead.
"""

Viewer: TypeAlias = str | BindParameter[str]
Line: TypeAlias = int | BindParameter[int]
"""A value, or the parameter of a query that is built once: to build one with `is_unread` takes
SQLAlchemy longer than a database needs to run it."""
VIEWER: BindParameter[str] = bindparam("viewer")
LINE: BindParameter[int] = bindparam("line")

_line = select(inbox_lines.c.up_to).where(inbox_lines.c.viewer == VIEWER)

_read_at = (
    select(home_visits.c.at)
    .join(inbox_lines, inbox_lines.c.visit_id == home_visits.c.id)
    .where(inbox_lines.c.viewer == VIEWER)
)


async def line_of(transaction: Transaction, viewer: str) -> int:
    """Return the key up to which a reader has read everything; 0 before the first line."""
    return await transaction.scalar(_line, {"viewer": viewer}) or 0


def marked(viewer: Viewer) -> ColumnElement[int | None]:
    """Return the reader's mark of the gist in a row of `inbox`."""
    return (
        select(inbox_marks.c.up_to)
        .where(inbox_marks.c.viewer == viewer, inbox_marks.c.gist_id == inbox.c.gist_id)
        .scalar_subquery()
    )


def is_unread(viewer: Viewer, line: Line) -> ColumnElement[bool]:
    """Return the condition that a reader has not read a row of `inbox`, in a query with `users`."""
    mark = marked(viewer)
    visited = (
        select(func.max(visits.c.inbox_up_to))
        .where(visits.c.user_key == inbox.c.user_key, visits.c.viewer == viewer)
        .scalar_subquery()
    )
    is_new = and_(
        or_(inbox.c.key > line, users.c.returned_key > line),
        inbox.c.key > func.coalesce(mark, 0),
        inbox.c.key > func.coalesce(visited, 0),
    )
    return or_(is_new, func.coalesce(mark, 1) == 0)


def of_few(viewer: Viewer, line: Line) -> ColumnElement[bool]:
    """Return the condition that a gist can be unread although its key is not above the line."""
    unread = select(inbox_marks.c.gist_id).where(
        inbox_marks.c.viewer == viewer, inbox_marks.c.up_to == 0
    )
    returned = select(users.c.key).where(users.c.returned_key > line)
    # With `or_`, PostgreSQL reads the whole table: 60 ms of a million gists, for each page.
    few = union(
        select(inbox.c.key).where(inbox.c.gist_id.in_(unread)),
        select(inbox.c.key).where(inbox.c.user_key.in_(returned)),
    )
    return and_(inbox.c.key <= line, inbox.c.key.in_(few))


def of_tracked_users(*columns: ColumnElement[Any]) -> Select[Any]:
    """Return the query of these columns of the gists of tracked users."""
    return select(*columns).join_from(inbox, users, users.c.key == inbox.c.user_key).where(tracked)


@dataclass(frozen=True)
class Amount:
    """The amount that a reader has not read; `more` says that it is more than was counted."""

    gists: int
    users: int
    more: bool


async def unread(transaction: Transaction, viewer: str) -> Amount:
    """Return how much a reader has not read, counted up to `MAX_UNREAD_COUNTED` gists."""
    return await unread_of(transaction, viewer, await line_of(transaction, viewer))


async def unread_of(
    transaction: Transaction,
    viewer: str,
    line: int,
    *,
    up_to: int | None = None,
) -> Amount:
    """Return how much is unread above a `line`, and not above the key `up_to`; see `unread`."""
    counted = await transaction.execute(
        _counted(bounded=up_to is not None), {"viewer": viewer, "line": line, "up_to": up_to}
    )
    number, people = counted.one()
    return Amount(min(number, MAX_UNREAD_COUNTED), people, number > MAX_UNREAD_COUNTED)


@cache
def _counted(*, bounded: bool) -> Select[int, int]:
    newest = select(inbox.c.key).where(inbox.c.key > LINE)
    if bounded:
        newest = newest.where(inbox.c.key <= bindparam("up_to"))
    newest = newest.order_by(inbox.c.key.desc()).limit(GISTS_CHECKED)
    of_line = (inbox.c.key.in_(newest), of_few(VIEWER, LINE))
    parts = [
        select(
            of_tracked_users(inbox.c.user_key)
            .where(part, is_unread(VIEWER, LINE))
            .limit(MAX_UNREAD_COUNTED + 1)
            .subquery()
        )
        for part in of_line
    ]
    together = union_all(*parts).subquery()
    return select(func.count(), func.count(together.c.user_key.distinct())).select_from(together)


async def read_at(transaction: Transaction, viewer: str) -> datetime | None:
    """Return when a reader last marked everything as read."""
    return await transaction.scalar(_read_at, {"viewer": viewer})
