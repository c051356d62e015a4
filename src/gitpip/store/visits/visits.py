"""Visits: a user's files that a viewer has seen, counted by sequence and not by clocks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, insert, literal, select

from gitpip.digests import digest
from gitpip.errors import UserNotTracked, VisitNotFound
from gitpip.model import User, UserKey, VisitId
from gitpip.store.access import keys
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema import users as users_table
from gitpip.store.schema_access import access_keys
from gitpip.store.schema_inbox import inbox
from gitpip.store.schema_visits import visits
from gitpip.store.users import users
from gitpip.store.visibility import tracked

SHARED_VIEWER = "everyone"
"""The viewer of the original endpoint, which knows no viewers."""


BROWSER = "browser:"
"""The beginning of the name of a viewer that is a browser without a key; the rest is its cookie."""
MOST_VISITS = 100
"""The most visits of a viewer to a user that are kept; one more deletes the oldest."""
VIEWERS_KEPT = 500
"""The most viewers without a key that are kept for a user.

If no key exists yet, or with an operator's key, a program may name any number of viewers.
"""


VIEWER_OF_KEY = literal("key:") + func.lower(access_keys.c.name)
"""The name that `keys.viewer_of` returns."""


@dataclass(frozen=True)
class Visit:
    """A visit of a viewer to a user's new files: those with `after` < sequence <= `up_to`."""

    id: VisitId
    user_key: UserKey
    login: str
    viewer: str
    after: int
    up_to: int
    at: datetime


_visit = reader(Visit)


def shown_viewer(viewer: str) -> str:
    """Return a viewer's name as others may see it: the name of a browser is its cookie."""
    if not viewer.startswith(BROWSER):
        return viewer
    return BROWSER + digest(viewer)[:12]


def seen_by(viewer: str) -> ColumnElement[int]:
    """Return the sequence up to which a viewer has seen the files of the row's user."""
    return func.coalesce(
        select(func.max(visits.c.up_to))
        .where(visits.c.user_key == users_table.c.key, visits.c.viewer == viewer)
        .scalar_subquery(),
        0,
    )


async def record(
    transaction: Transaction, user_key: UserKey, *, viewer: str, now: datetime
) -> Visit:
    """Record that `viewer` sees everything found since their last visit.

    It holds the user's row lock: a check that stores files at the same time comes completely before
    or completely after. Raises UserNotTracked.
    """
    user = await users.lock(transaction, user_key)
    if user is None:
        raise UserNotTracked(f"no user with the key {user_key} is tracked")
    after = await last_seen(transaction, user_key, viewer=viewer)
    result = await transaction.execute(
        insert(visits)
        .values(
            user_key=user_key,
            viewer=viewer,
            after=after,
            up_to=user.last_sequence,
            at=now,
            inbox_up_to=select(func.max(inbox.c.key))
            .where(inbox.c.user_key == user_key)
            .scalar_subquery(),
        )
        .returning(visits.c.id)
    )
    visit = await get(transaction, VisitId(result.scalar_one()))
    await _delete_old(transaction, visit)
    await _delete_viewers(transaction, visit)
    return visit


async def look(transaction: Transaction, user: User, *, viewer: str, now: datetime) -> Visit:
    """Return the visit that `record` would make now, without recording it; its id is 0."""
    after = await last_seen(transaction, user.key, viewer=viewer)
    return Visit(VisitId(0), user.key, user.login, viewer, after, user.last_sequence, now)


async def last_seen(transaction: Transaction, user_key: UserKey, *, viewer: str) -> int:
    """Return the sequence up to which `viewer` has seen the user's files; 0 if none."""
    seen = await transaction.scalar(
        select(func.max(visits.c.up_to)).where(
            visits.c.user_key == user_key, visits.c.viewer == viewer
        )
    )
    return seen or 0


async def get(transaction: Transaction, visit_id: VisitId) -> Visit:
    """Return one visit to a tracked user's files; raises VisitNotFound."""
    row = (await transaction.execute(_visits().where(visits.c.id == visit_id))).one_or_none()
    if row is None:
        raise VisitNotFound(f"there is no visit {visit_id}")
    return _visit(row)


async def of_user(transaction: Transaction, user_key: UserKey, *, limit: int) -> tuple[Visit, ...]:
    """Return a user's latest visits, newest first."""
    rows = await transaction.execute(
        _visits().where(visits.c.user_key == user_key).order_by(visits.c.id.desc()).limit(limit)
    )
    return tuple(_visit(row) for row in rows)


async def _delete_old(transaction: Transaction, newest: Visit) -> None:
    """Delete a viewer's oldest visits to a user: the newest one says what was seen."""
    of_both = and_(visits.c.user_key == newest.user_key, visits.c.viewer == newest.viewer)
    last_deleted = (
        select(visits.c.id)
        .where(of_both)
        .order_by(visits.c.id.desc())
        .offset(MOST_VISITS)
        .limit(1)
        .scalar_subquery()
    )
    await transaction.execute(delete(visits).where(of_both, visits.c.id <= last_deleted))


async def _delete_viewers(transaction: Transaction, newest: Visit) -> None:
    """Delete the visits of the viewers who came to this user longest ago, if there is a new viewer.

    Viewers with a key stay, and so does the shared one. Visits by the home page are bounded there.
    """
    of_newest = and_(visits.c.user_key == newest.user_key, visits.c.viewer == newest.viewer)
    if await transaction.scalar(select(func.count()).where(of_newest)) != 1:
        return
    holders = select(VIEWER_OF_KEY).where(access_keys.c.revoked_at.is_(None))
    passing = and_(
        visits.c.user_key == newest.user_key,
        visits.c.home_visit_id.is_(None),
        visits.c.viewer.not_in([SHARED_VIEWER, keys.viewer_of(keys.SETTINGS_KEY)]),
        visits.c.viewer.not_in(holders),
    )
    gone = await transaction.execute(
        select(visits.c.viewer)
        .where(passing)
        .group_by(visits.c.viewer)
        .order_by(func.max(visits.c.id).desc())
        .offset(VIEWERS_KEPT)
    )
    if viewers := gone.scalars().all():
        await transaction.execute(delete(visits).where(passing, visits.c.viewer.in_(viewers)))


def _visits() -> Select[Any]:
    return (
        select(visits, users_table.c.login)
        .join(users_table, users_table.c.key == visits.c.user_key)
        .where(tracked)
    )
