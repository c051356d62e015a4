"""News: what a viewer has not seen yet, over all users, and the visits to the home page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from gitpip.errors import VisitNotFound
from gitpip.model import GistFile, HomeVisit, User, UserKey, VisitId
from gitpip.store import commit_order
from gitpip.store.database import Transaction
from gitpip.store.gists import gists
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files
from gitpip.store.schema import users as users_table
from gitpip.store.schema_visits import home_visits, visits
from gitpip.store.users.user_rows import rows, user_of
from gitpip.store.visibility import tracked
from gitpip.store.visits import old_visits

COUNTED = 1_000
"""How many users with something new are counted at most; beyond, it is "more than"."""
PREVIEW = 6_000
"""How many characters of a content are read for a preview."""
_home_visit = reader(HomeVisit)


@dataclass(frozen=True)
class UserNews:
    """What of one user is, or was, new to a viewer: `after` < sequence <= `up_to`.

    `files` are the newest of them, newest first, with the beginnings of their contents.
    """

    user: User
    after: int
    up_to: int
    files: tuple[GistFile, ...]

    @property
    def count(self) -> int:
        """How many files are new."""
        return self.up_to - self.after


@dataclass(frozen=True)
class Amount:
    """How much is new; `more` says that only the first users were counted."""

    users: int
    files: int
    more: bool


def seen_by(viewer: str) -> ColumnElement[int]:
    """The sequence up to which a viewer has seen the files of the user of the row."""
    return func.coalesce(
        select(func.max(visits.c.up_to))
        .where(visits.c.user_key == users_table.c.key, visits.c.viewer == viewer)
        .scalar_subquery(),
        0,
    )


async def for_viewer(
    transaction: Transaction, viewer: str, *, users: int, files: int
) -> tuple[UserNews, ...]:
    """The users with something new for a viewer, those with the newest first: at most `users`.

    Of each at most `files` files are read.
    """
    found = await transaction.execute(
        rows()
        .add_columns(seen_by(viewer).label("seen"))
        .where(await _has_news(transaction, viewer))
        .order_by(users_table.c.found_key.desc())
        .limit(users)
    )
    steps = [(user_of(row), row.seen, row.last_sequence) for row in found]
    return await _news(transaction, steps, files)


async def count(transaction: Transaction, viewer: str) -> Amount:
    """How much is new for a viewer, counted over the first `COUNTED` users."""
    first = (
        select((users_table.c.last_sequence - seen_by(viewer)).label("files"))
        .where(await _has_news(transaction, viewer))
        .order_by(users_table.c.found_key.desc())
        .limit(COUNTED + 1)
        .subquery()
    )
    row = (
        await transaction.execute(
            select(func.count(), func.coalesce(func.sum(first.c.files), 0)).select_from(first)
        )
    ).one()
    return Amount(min(row[0], COUNTED), int(row[1]), row[0] > COUNTED)


async def mark_seen(
    transaction: Transaction, viewer: str, shown: Mapping[UserKey, int], now: datetime
) -> HomeVisit:
    """Record that `viewer` saw of each user all up to the given sequence.

    What another window recorded meanwhile is not recorded twice; a number beyond what is known
    counts as all that is known.
    """
    await commit_order.one_at_a_time(transaction, viewer)
    keys = sorted(shown)
    seen: dict[UserKey, tuple[int, int]] = {}
    for start in range(0, len(keys), 500):
        those = and_(users_table.c.key.in_(keys[start : start + 500]), tracked)
        # First locked, then read: a statement that waits for locks reads other tables as of before.
        await transaction.execute(
            select(users_table.c.key).where(those).order_by(users_table.c.key).with_for_update()
        )
        rows_seen = await transaction.execute(
            select(
                users_table.c.key, users_table.c.last_sequence, seen_by(viewer).label("seen")
            ).where(those)
        )
        seen |= {row.key: (row.seen, row.last_sequence) for row in rows_seen}
    home_visit_id = await _add_home_visit(transaction, viewer, now)
    steps = [
        {
            "user_key": key,
            "viewer": viewer,
            "after": seen[key][0],
            "up_to": min(up_to, seen[key][1]),
            "at": now,
            "home_visit_id": home_visit_id,
        }
        for key, up_to in shown.items()
        if key in seen and min(up_to, seen[key][1]) > seen[key][0]
    ]
    if steps:
        await transaction.execute(insert(visits), steps)
    visit = await _counted(transaction, home_visit_id, viewer)
    await old_visits.delete_old(transaction, visit)
    return visit


async def settle(transaction: Transaction, visit_id: VisitId, viewer: str) -> None:
    """Note that a visit left nothing new, if it did: the next ones then look from here on only.

    To be called in a short transaction of its own after the visit's.
    """
    line = await commit_order.everything_up_to(transaction)
    if not (await count(transaction, viewer)).users:
        await transaction.execute(
            update(home_visits).where(home_visits.c.id == visit_id).values(complete_up_to=line)
        )


async def knows(transaction: Transaction, viewer: str) -> bool:
    """Whether a viewer has a visit to the home page."""
    visit = select(home_visits.c.id).where(home_visits.c.viewer == viewer).limit(1)
    return await transaction.scalar(visit) is not None


async def mark_everything(
    transaction: Transaction, viewer: str, now: datetime, *, most: int | None = None
) -> HomeVisit:
    """Record that `viewer` takes everything that is known now as seen.

    With `most`, of so many users at most, those with the newest files: a row is stored for each.
    """
    await commit_order.one_at_a_time(transaction, viewer)
    home_visit_id = await _add_home_visit(transaction, viewer, now)
    seen = seen_by(viewer)
    rest = select(
        users_table.c.key,
        literal(viewer),
        seen,
        users_table.c.last_sequence,
        literal(now, visits.c.at.type),
        literal(home_visit_id),
    ).where(tracked, users_table.c.last_sequence > seen)
    if most is not None:
        rest = rest.order_by(users_table.c.found_key.desc()).limit(most)
    columns = ["user_key", "viewer", "after", "up_to", "at", "home_visit_id"]
    try:
        async with transaction.begin_nested():
            await transaction.execute(insert(visits).from_select(columns, rest))
    except IntegrityError:
        # Another window of the same viewer was faster; now its rows are there to be counted.
        await transaction.execute(insert(visits).from_select(columns, rest))
    visit = await _counted(transaction, home_visit_id, viewer)
    await old_visits.delete_old(transaction, visit)
    return visit


async def _counted(transaction: Transaction, visit_id: VisitId, viewer: str) -> HomeVisit:
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
        .values(users=number, files=int(files))
    )
    return await get(transaction, visit_id, viewer)


async def get(transaction: Transaction, visit_id: VisitId, viewer: str) -> HomeVisit:
    """A viewer's own visit to the home page; raises VisitNotFound."""
    row = (
        await transaction.execute(
            select(home_visits).where(home_visits.c.id == visit_id, home_visits.c.viewer == viewer)
        )
    ).one_or_none()
    if row is None:
        raise VisitNotFound(f"there is no visit {visit_id} of yours")
    return _home_visit(row)


async def visits_of(transaction: Transaction, viewer: str, *, limit: int) -> tuple[HomeVisit, ...]:
    """A viewer's latest visits to the home page that covered anything, newest first."""
    found = await transaction.execute(
        select(home_visits)
        .where(home_visits.c.viewer == viewer, home_visits.c.files > 0)
        .order_by(home_visits.c.id.desc())
        .limit(limit)
    )
    return tuple(_home_visit(row) for row in found)


async def shown_by(
    transaction: Transaction, visit: HomeVisit, *, users: int, files: int, offset: int = 0
) -> tuple[UserNews, ...]:
    """What a visit to the home page covered: at most `users` users from `offset` on.

    Users who were removed since are left out.
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
    """What is new of users, each with `after` and `up_to`: their files are read all at once."""
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
            gists.select_files(PREVIEW)
            .where(or_(*parts))
            .order_by(gist_files.c.user_key, gist_files.c.sequence.desc())
        )
        for row in found:
            newest[UserKey(row.user_key)].append(gists.file_of(row))
    return tuple(
        UserNews(user, after, up_to, tuple(newest[user.key])) for user, after, up_to in steps
    )


async def _has_news(transaction: Transaction, viewer: str) -> ColumnElement[bool]:
    new = and_(
        tracked,
        users_table.c.found_key.is_not(None),
        users_table.c.last_sequence > seen_by(viewer),
    )
    line = await transaction.scalar(
        select(func.max(home_visits.c.complete_up_to)).where(home_visits.c.viewer == viewer)
    )
    return new if line is None else and_(new, users_table.c.found_key >= line)


async def _add_home_visit(transaction: Transaction, viewer: str, now: datetime) -> VisitId:
    result = await transaction.execute(
        insert(home_visits).values(viewer=viewer, at=now).returning(home_visits.c.id)
    )
    return VisitId(result.scalar_one())
