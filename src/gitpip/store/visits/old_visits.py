"""Deleting old marks and visits of the inbox, so that their number is bounded.

The latest visit of a viewer to a user says what the viewer has seen: it always stays.
"""

from datetime import timedelta

from sqlalchemy import and_, delete, func, or_, select

from gitpip.store import commit_order
from gitpip.store.database import Transaction
from gitpip.store.schema_inbox import inbox_filters, inbox_lines, inbox_marks
from gitpip.store.schema_visits import home_visits, visits
from gitpip.store.visits.home import CHANGED, HomeVisit
from gitpip.store.visits.visits import BROWSER

VISITS_KEPT = 50
"""The number of a viewer's visits that are kept.

An older one is kept only if it is still the latest to one of the users.
"""
_IS_NEEDED = select(visits.c.id).where(visits.c.home_visit_id == home_visits.c.id).exists()
BROWSERS_KEPT = 500
"""The number of browsers without a key that are kept: a reader can be any number of them."""
BROWSER_FORGOTTEN = timedelta(days=400)
"""The time without a visit after which its cookie has expired.

Browsers keep none for longer:
https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.5
"""


async def delete_superseded(transaction: Transaction, viewer: str) -> None:
    """Delete a viewer's old visits, before there is a new one: that one can be undone.

    The viewer's own visits must be made one at a time: see `commit_order.one_at_a_time`.
    """
    of_viewer = home_visits.c.viewer == viewer
    ids = select(home_visits.c.id).where(of_viewer).order_by(home_visits.c.id.desc())
    last_deleted = await transaction.scalar(ids.offset(VISITS_KEPT - 1).limit(1))
    if last_deleted is None:
        return
    old = and_(of_viewer, home_visits.c.id <= last_deleted)
    later = visits.alias()
    is_superseded = (
        select(later.c.id)
        .where(
            later.c.user_key == visits.c.user_key,
            later.c.viewer == visits.c.viewer,
            later.c.up_to >= visits.c.up_to,
            later.c.id > visits.c.id,
        )
        .exists()
    )
    await transaction.execute(
        delete(visits).where(
            visits.c.home_visit_id.in_(select(home_visits.c.id).where(old)), is_superseded
        )
    )
    await transaction.execute(delete(home_visits).where(old, ~_IS_NEEDED))


async def delete_marks_undone_no_more(transaction: Transaction, viewer: str) -> None:
    """Delete the records of marks of single gists except the last two: only the last is undone.

    Of marks that changed nothing, the last is kept.
    """
    ids = select(home_visits.c.id).where(home_visits.c.viewer == viewer)
    newest_first = ids.order_by(home_visits.c.id.desc())
    last_kept = newest_first.where(CHANGED).offset(1).limit(1).scalar_subquery()
    newest = newest_first.limit(1).scalar_subquery()
    await transaction.execute(
        delete(home_visits).where(
            home_visits.c.viewer == viewer,
            or_(home_visits.c.id < last_kept, and_(~CHANGED, home_visits.c.id < newest)),
            home_visits.c.files == 0,
            ~_IS_NEEDED,
        )
    )


async def delete_browsers(transaction: Transaction, newest: HomeVisit) -> None:
    """Delete the marks of forgotten browsers if this is the first act of a browser."""
    ids = select(home_visits.c.id).where(home_visits.c.viewer == newest.viewer).limit(2)
    is_first = len((await transaction.execute(ids)).all()) == 1
    if is_first and newest.viewer.startswith(BROWSER):
        await _delete_browsers(transaction, newest)


async def _delete_browsers(transaction: Transaction, newest: HomeVisit) -> None:
    await commit_order.one_at_a_time(transaction, BROWSER)
    by_last_visit = await transaction.execute(
        select(home_visits.c.viewer, func.max(home_visits.c.at).label("at"))
        .where(home_visits.c.viewer.startswith(BROWSER))
        .group_by(home_visits.c.viewer)
        .order_by(func.max(home_visits.c.id).desc())
    )
    forgotten = newest.at - BROWSER_FORGOTTEN
    gone = [
        row.viewer
        for number, row in enumerate(by_last_visit)
        if number >= BROWSERS_KEPT or row.at < forgotten
    ]
    if gone:
        theirs = home_visits.c.viewer.in_(gone)
        ids = select(home_visits.c.id).where(theirs)
        await transaction.execute(delete(visits).where(visits.c.home_visit_id.in_(ids)))
        await transaction.execute(delete(home_visits).where(theirs))
        for table in (inbox_lines, inbox_marks, inbox_filters):
            await transaction.execute(delete(table).where(table.c.viewer.in_(gone)))
