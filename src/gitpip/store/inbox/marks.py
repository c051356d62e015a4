"""Marks of the inbox: marking gists as read or unread, and undoing the last mark.

Each act of marking is a row of `home_visits`. A row that an act changes keeps its former value,
with the act's id: an undo needs nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Insert, Table, delete, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from gitpip.errors import MarkedSince
from gitpip.model import GistId, VisitId
from gitpip.store import commit_order, read_state
from gitpip.store.among import among
from gitpip.store.database import Transaction
from gitpip.store.read_state import is_unread, of_tracked_users
from gitpip.store.rows import in_pieces
from gitpip.store.schema import gist_files, users
from gitpip.store.schema_inbox import inbox, inbox_lines, inbox_marks
from gitpip.store.schema_visits import home_visits, visits
from gitpip.store.visibility import tracked
from gitpip.store.visits import home, old_visits
from gitpip.store.visits.home import HomeVisit
from gitpip.store.visits.visits import seen_by

MARKS_KEPT = 2_000
"""The most gists marked as read that are kept for a reader.

With one more, the line moves to the newest of the older half.
"""
UNREAD_KEPT = 500
"""The most gists below the line that can be unread for a reader; older ones count as read."""
OF_NO_ACT = VisitId(0)
"""The id in rows that no undo restores."""


async def mark(
    transaction: Transaction,
    viewer: str,
    gists: Mapping[GistId, int | None],
    now: datetime,
    *,
    read: bool,
) -> HomeVisit:
    """Mark gists as read, each up to the key that the reader saw it with, or as unread.

    A gist without a key is marked as it is now.

    A gist that is not known, or whose user is not tracked, is left out. One that got another key
    since, by a new file or an edit, stays unread, unless it was marked as read with that key. The
    act counts the gists that were not yet what they are marked as. If there are none, nothing is
    written of it but that, so the act before it can still be undone.
    """
    await commit_order.one_at_a_time(transaction, viewer)
    await _move_line(transaction, viewer)
    known = of_tracked_users(
        inbox.c.gist_id,
        inbox.c.key,
        is_unread(viewer, await read_state.line_of(transaction, viewer)).label("unread"),
    ).where(among(inbox.c.gist_id, gists))
    before = (await transaction.execute(known)).all()
    visit_id = await home.add(transaction, viewer, now)
    levels = {
        GistId(row.gist_id): min(gists[row.gist_id] or row.key, row.key) if read else 0
        for row in before
    }
    async with transaction.begin_nested() as written:
        await _write_marks(transaction, viewer, levels, visit_id)
        after = await transaction.execute(known)
        changed = {row.gist_id for row in before if row.unread} ^ {
            row.gist_id for row in after if row.unread
        }
        if not changed:
            await written.rollback()
    await transaction.execute(
        update(home_visits)
        .where(home_visits.c.id == visit_id)
        .values(gists=len(changed), unread=not read)
    )
    await old_visits.delete_marks_undone_no_more(transaction, viewer)
    visit = await home.get(transaction, visit_id, viewer)
    await old_visits.delete_browsers(transaction, visit)
    return visit


async def mark_all(
    transaction: Transaction,
    viewer: str,
    now: datetime,
    *,
    up_to: int,
    most: int | None = None,
) -> HomeVisit:
    """Mark everything up to this key as read: the line moves there.

    The key must be settled, see `commit_order.settled`.

    It is also a visit to the users whose files it covers. `most` limits that to the users with the
    newest files, since a row is stored for each. Where nothing is unread, the line stays and no
    user is visited, so the act before it can still be undone.
    """
    await commit_order.one_at_a_time(transaction, viewer)
    await old_visits.delete_superseded(transaction, viewer)
    line = await read_state.line_of(transaction, viewer)
    up_to = max(up_to, line)
    read = await read_state.unread_of(transaction, viewer, line, up_to=up_to)
    visit_id = await home.add(transaction, viewer, now)
    if read.gists:
        await _visit_users(transaction, viewer, visit_id, now, (up_to, most))
        await _read_marked_as_unread(transaction, viewer, visit_id, up_to)
        await _draw_line(transaction, viewer, visit_id, up_to)
    else:
        await old_visits.delete_marks_undone_no_more(transaction, viewer)
    visit = await home.count_files(transaction, visit_id, viewer, gists=read.gists)
    await old_visits.delete_browsers(transaction, visit)
    return visit


async def undo(
    transaction: Transaction, viewer: str, visit_id: VisitId, now: datetime
) -> HomeVisit:
    """Undo a reader's last mark; an act that is undone already stays so.

    Raises VisitNotFound, and MarkedSince if the reader marked something else since. Acts since that
    changed nothing do not count.
    """
    await commit_order.one_at_a_time(transaction, viewer)
    visit = await home.get(transaction, visit_id, viewer)
    if visit.undone_at is not None:
        return visit
    newest = await home.last_change(transaction, viewer)
    if newest is not None and newest.id > visit_id:
        raise MarkedSince("something else was marked since; only the last mark can be undone")
    for table in (inbox_lines, inbox_marks):
        await _take_back(transaction, table, viewer, visit_id)
    await transaction.execute(delete(visits).where(visits.c.home_visit_id == visit_id))
    await transaction.execute(
        update(home_visits).where(home_visits.c.id == visit_id).values(undone_at=now)
    )
    return await home.get(transaction, visit_id, viewer)


async def _take_back(
    transaction: Transaction, table: Table, viewer: str, visit_id: VisitId
) -> None:
    changed = (table.c.viewer == viewer, table.c.visit_id == visit_id)
    await transaction.execute(delete(table).where(*changed, table.c.formerly.is_(None)))
    await transaction.execute(update(table).where(*changed).values(up_to=table.c.formerly))


async def _write_marks(
    transaction: Transaction, viewer: str, levels: Mapping[GistId, int], visit_id: VisitId
) -> None:
    """Write the key up to which each gist is read, or 0 where it is unread.

    A page can be older than the last mark, so a mark is never replaced by a lower key.
    """
    of_viewer = inbox_marks.c.viewer == viewer
    for some in in_pieces(sorted(levels)):
        those = (of_viewer, inbox_marks.c.gist_id.in_(some))
        former = await transaction.execute(
            select(inbox_marks.c.gist_id, inbox_marks.c.up_to).where(*those)
        )
        formerly = {row.gist_id: row.up_to for row in former}
        await transaction.execute(delete(inbox_marks).where(*those))
        await transaction.execute(
            insert(inbox_marks),
            [
                {
                    "viewer": viewer,
                    "gist_id": gist_id,
                    "up_to": levels[gist_id] and max(levels[gist_id], formerly.get(gist_id, 0)),
                    "formerly": formerly.get(gist_id),
                    "visit_id": visit_id,
                }
                for gist_id in some
            ],
        )


async def _visit_users(
    transaction: Transaction,
    viewer: str,
    visit_id: VisitId,
    now: datetime,
    bounds: tuple[int, int | None],
) -> None:
    up_to, most = bounds
    seen = seen_by(viewer)
    later = (
        select(gist_files.c.user_key, (func.min(gist_files.c.sequence) - 1).label("last"))
        .join(inbox, inbox.c.gist_id == gist_files.c.gist_id)
        .where(inbox.c.key > up_to)
        .group_by(gist_files.c.user_key)
        .subquery()
    )
    last = func.coalesce(later.c.last, users.c.last_sequence)
    newest = (
        select(func.max(inbox.c.key))
        .where(inbox.c.user_key == users.c.key, inbox.c.key <= up_to)
        .scalar_subquery()
    )
    rest = (
        select(
            users.c.key,
            literal(viewer),
            seen,
            last,
            literal(now, visits.c.at.type),
            literal(visit_id),
            newest,
        )
        .outerjoin_from(users, later, later.c.user_key == users.c.key)
        .where(tracked, last > seen)
    )
    if most is not None:
        rest = rest.order_by(users.c.found_key.desc()).limit(most)
    columns = ["user_key", "viewer", "after", "up_to", "at", "home_visit_id", "inbox_up_to"]
    # A visit by a program can be stored in between; the second attempt counts its row.
    await _once_more_on_conflict(transaction, insert(visits).from_select(columns, rest))


async def _read_marked_as_unread(
    transaction: Transaction, viewer: str, visit_id: VisitId, up_to: int
) -> None:
    found = await transaction.execute(
        select(inbox_marks.c.gist_id, inbox.c.key)
        .join(inbox, inbox.c.gist_id == inbox_marks.c.gist_id)
        .where(inbox_marks.c.viewer == viewer, inbox_marks.c.up_to == 0, inbox.c.key <= up_to)
    )
    levels = {GistId(row.gist_id): row.key for row in found}
    await _write_marks(transaction, viewer, levels, visit_id)


async def _draw_line(transaction: Transaction, viewer: str, visit_id: VisitId, up_to: int) -> None:
    of_viewer = inbox_lines.c.viewer == viewer
    drawn = await transaction.execute(
        update(inbox_lines)
        .where(of_viewer)
        .values(formerly=inbox_lines.c.up_to, up_to=up_to, visit_id=visit_id)
    )
    if not drawn.rowcount:
        await transaction.execute(
            insert(inbox_lines).values(viewer=viewer, up_to=up_to, visit_id=visit_id)
        )
    # A mark that the line covers is not needed; but the last act's own can be undone.
    former = select(inbox_lines.c.formerly).where(of_viewer).scalar_subquery()
    await transaction.execute(
        delete(inbox_marks).where(
            inbox_marks.c.viewer == viewer,
            inbox_marks.c.up_to > 0,
            inbox_marks.c.up_to <= former,
            inbox_marks.c.visit_id != visit_id,
        )
    )


async def _move_line(transaction: Transaction, viewer: str) -> None:
    """Keep the number of marks bounded for a reader who only marks gists one by one."""
    of_viewer = inbox_marks.c.viewer == viewer
    unread = select(inbox_marks.c.visit_id).where(of_viewer, inbox_marks.c.up_to == 0)
    unread = unread.order_by(inbox_marks.c.visit_id.desc()).offset(UNREAD_KEPT).limit(1)
    await transaction.execute(
        delete(inbox_marks).where(
            of_viewer, inbox_marks.c.up_to == 0, inbox_marks.c.visit_id <= unread.scalar_subquery()
        )
    )
    read = select(inbox_marks.c.up_to).where(of_viewer, inbox_marks.c.up_to > 0)
    read = read.order_by(inbox_marks.c.up_to.desc()).limit(1)
    if await transaction.scalar(read.offset(MARKS_KEPT)) is None:
        return
    line = await read_state.line_of(transaction, viewer)
    moved = max(line, await transaction.scalar(read.offset(MARKS_KEPT // 2)) or 0)
    left = await transaction.execute(
        of_tracked_users(inbox.c.gist_id)
        .where(inbox.c.key > line, inbox.c.key <= moved, is_unread(viewer, line))
        .order_by(inbox.c.key.desc())
        .limit(UNREAD_KEPT)
    )
    stay_unread: Sequence[str] = left.scalars().all()
    await _write_marks(transaction, viewer, {GistId(one): 0 for one in stay_unread}, OF_NO_ACT)
    of_line = inbox_lines.c.viewer == viewer
    drawn = await transaction.execute(update(inbox_lines).where(of_line).values(up_to=moved))
    if not drawn.rowcount:
        await transaction.execute(
            insert(inbox_lines).values(viewer=viewer, up_to=moved, visit_id=OF_NO_ACT)
        )
    await transaction.execute(
        delete(inbox_marks).where(of_viewer, inbox_marks.c.up_to > 0, inbox_marks.c.up_to <= moved)
    )


async def _once_more_on_conflict(transaction: Transaction, statement: Insert) -> None:
    try:
        async with transaction.begin_nested():
            await transaction.execute(statement)
    except IntegrityError:
        await transaction.execute(statement)
