"""The acts of marking in the inbox, and the files that marking everything covered."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, insert, or_, select, update

from gitpip.errors import VisitNotFound
from gitpip.model import GistFile, User, UserKey, VisitId
from gitpip.store.database import Transaction
from gitpip.store.gists import gists
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files
from gitpip.store.schema import users as users_table
from gitpip.store.schema_visits import home_visits, visits
from gitpip.store.users.user_rows import rows, user_of
from gitpip.store.visibility import tracked


@dataclass(frozen=True)
class HomeVisit:
    """One act of marking; if it covers files, it marked everything, as a visit to their users."""

    id: VisitId
    viewer: str
    at: datetime
    users: int
    files: int
    gists: int
    unread: bool
    """Whether they were marked as unread rather than as read."""
    undone_at: datetime | None


_home_visit = reader(HomeVisit)
CHANGED = or_(home_visits.c.gists > 0, home_visits.c.files > 0)
"""The condition that an act of marking changed something."""


@dataclass(frozen=True)
class ToldMark:
    """An act of marking as a page tells it."""

    visit: HomeVisit
    undoable: HomeVisit | None
    """The act that can be undone: an earlier one if this one changed nothing."""


@dataclass(frozen=True)
class UserNews:
    """The files of one user that were new to a viewer: `after` < sequence <= `up_to`.

    `files` are the newest of them, newest first, with the beginnings of their contents.
    """

    user: User
    after: int
    up_to: int
    files: tuple[GistFile, ...]

    @property
    def count(self) -> int:
        """The number of new files."""
        return self.up_to - self.after


async def add(transaction: Transaction, viewer: str, now: datetime) -> VisitId:
    """Begin an act of marking; return its id."""
    result = await transaction.execute(
        insert(home_visits).values(viewer=viewer, at=now).returning(home_visits.c.id)
    )
    return VisitId(result.scalar_one())


async def knows(transaction: Transaction, viewer: str) -> bool:
    """Return whether a viewer has marked anything."""
    visit = select(home_visits.c.id).where(home_visits.c.viewer == viewer).limit(1)
    return await transaction.scalar(visit) is not None


async def count_files(
    transaction: Transaction, visit_id: VisitId, viewer: str, *, gists: int
) -> HomeVisit:
    """Record how much an act marked: gists, and the files that its visits to users cover."""
    counted = await transaction.execute(
        select(
            func.count(visits.c.id),
            func.coalesce(func.sum(visits.c.up_to - visits.c.after), 0),
        ).where(visits.c.home_visit_id == visit_id)
    )
    number, files = counted.one()
    await transaction.execute(
        update(home_visits)
        .where(home_visits.c.id == visit_id)
        .values(users=number, files=int(files), gists=gists)
    )
    return await get(transaction, visit_id, viewer)


async def get(transaction: Transaction, visit_id: VisitId, viewer: str) -> HomeVisit:
    """Return one act of marking by this viewer; raises VisitNotFound."""
    row = (
        await transaction.execute(
            select(home_visits).where(home_visits.c.id == visit_id, home_visits.c.viewer == viewer)
        )
    ).one_or_none()
    if row is None:
        raise VisitNotFound(f"you have no mark {visit_id}")
    return _home_visit(row)


async def last_change(transaction: Transaction, viewer: str) -> HomeVisit | None:
    """Return the last act of marking by a viewer that changed something."""
    found = select(home_visits).where(home_visits.c.viewer == viewer, CHANGED)
    row = (await transaction.execute(found.order_by(home_visits.c.id.desc()).limit(1))).first()
    return _home_visit(row) if row else None


async def marked(transaction: Transaction, visit_id: int | None, viewer: str) -> ToldMark | None:
    """Return what a viewer has just marked; the address may have come from another viewer."""
    if visit_id is None:
        return None
    with suppress(VisitNotFound):
        visit = await get(transaction, VisitId(visit_id), viewer)
        last = visit if visit.gists else await last_change(transaction, viewer)
        return ToldMark(visit, None if last is None or last.undone_at else last)
    return None


async def visits_of(transaction: Transaction, viewer: str, *, limit: int) -> tuple[HomeVisit, ...]:
    """Return the acts in which a viewer marked all as read and that covered files, newest first."""
    found = await transaction.execute(
        select(home_visits)
        .where(
            home_visits.c.viewer == viewer,
            home_visits.c.files > 0,
            home_visits.c.undone_at.is_(None),
        )
        .order_by(home_visits.c.id.desc())
        .limit(limit)
    )
    return tuple(_home_visit(row) for row in found)


async def shown_by(
    transaction: Transaction, visit: HomeVisit, *, users: int, files: int, offset: int = 0
) -> tuple[UserNews, ...]:
    """Return what marking everything covered: at most `users` users, from `offset` on.

    For each user at most `files` files are returned. Users who were removed since are left out.
    """
    found = await transaction.execute(
        rows()
        .add_columns(visits.c.after, visits.c.up_to)
        .join(visits, visits.c.user_key == users_table.c.key)
        .where(visits.c.home_visit_id == visit.id, tracked)
        .order_by(visits.c.id)
        .offset(offset)
        .limit(users)
    )
    steps = [(user_of(row), row.after, row.up_to) for row in found]
    return await _news(transaction, steps, files)


async def _news(
    transaction: Transaction, steps: Sequence[tuple[User, int, int]], files: int
) -> tuple[UserNews, ...]:
    """Return the news of users, each with `after` and `up_to`: their files are read all at once."""
    newest: dict[UserKey, list[GistFile]] = {user.key: [] for user, _, _ in steps}
    parts = [
        and_(
            gist_files.c.user_key == user.key,
            gist_files.c.sequence > max(after, up_to - files),
            gist_files.c.sequence <= up_to,
        )
        for user, after, up_to in steps
    ]
    if parts:
        found = await transaction.execute(
            gists.select_files(gists.PREVIEW_CHARACTERS)
            .where(or_(*parts))
            .order_by(gist_files.c.user_key, gist_files.c.sequence.desc())
        )
        for row in found:
            newest[UserKey(row.user_key)].append(gists.file_of(row))
    return tuple(
        UserNews(user, after, up_to, tuple(newest[user.key])) for user, after, up_to in steps
    )
