"""Activities of a file that lists have shown, and that a new or restored database has lost.

A person had the file sent again; the database knows one of its activities. Before an undo chooses
among them, the others become activities of the publication, too.
"""

from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, ScalarSelect, and_, func, insert, or_, select, update

from gitpip.model import PublicationState
from gitpip.store.database import Transaction
from gitpip.store.publications import recognition, sent_again
from gitpip.store.publications.being_undone import bound_account_key
from gitpip.store.schema import publications
from gitpip.store.schema_accounts import markers
from gitpip.store.schema_publishing import earlier_activities


@cache
def _is_of_same_file() -> ColumnElement[bool]:
    """Return the condition that a list showed another activity of a published publication."""
    first = func.coalesce(publications.c.first_marker, publications.c.marker)
    other = publications.alias()
    is_anothers = select(other.c.id).where(other.c.activity_id == markers.c.activity_id)
    return and_(
        publications.c.state == PublicationState.PUBLISHED.value,
        markers.c.account_key == bound_account_key(),
        markers.c.duplicate == 0,
        or_(markers.c.first_marker == first, markers.c.marker == publications.c.first_marker),
        ~is_anothers.correlate(markers).exists(),
    )


@cache
def number() -> ScalarSelect[int]:
    """Return the query of the number of such activities of a publication."""
    return (
        select(func.count())
        .select_from(markers)
        .where(_is_of_same_file())
        .correlate(publications)
        .scalar_subquery()
    )


async def take_in(transaction: Transaction, which: ColumnElement[bool], now: datetime) -> None:
    """Give these publications their further activities; the one that was made last is the newest.

    Call `ledger.lock` first.
    """
    rows = await transaction.execute(
        select(
            publications.c.id,
            markers.c.account_key,
            markers.c.activity_id,
            markers.c.marker,
            markers.c.deal_id,
            markers.c.added_at,
        )
        .select_from(publications)
        .join(markers, _is_of_same_file())
        .where(which)
        .order_by(publications.c.id, markers.c.activity_id)
        .with_for_update(of=publications)
    )
    found = rows.all()
    names = ("marker", "activity_id", "deal_id", "published_at", "sent_to", "note_written_at")
    for row in found:
        of_it = publications.c.id == row.id
        known = (await transaction.execute(select(publications).where(of_it))).one()
        seen = {
            "marker": row.marker,
            "activity_id": row.activity_id,
            "deal_id": row.deal_id,
            "published_at": row.added_at or now,
            "sent_to": None,
            "note_written_at": None,
        }
        earlier = seen
        if row.activity_id > known.activity_id:
            earlier = {name: getattr(known, name) for name in names}
            first = known.first_marker or known.marker
            await transaction.execute(
                update(publications).where(of_it).values(**seen, first_marker=first)
            )
        await transaction.execute(
            insert(earlier_activities).values(
                publication_id=row.id, account_key=row.account_key, replaced_at=now, **earlier
            )
        )
        await recognition.take(transaction, row.account_key, [row.activity_id])


@cache
def has_earlier() -> ColumnElement[bool]:
    """Return the condition that a publication has an activity before its newest one.

    It is about activities that are stored or that lists have shown.
    """
    return or_(sent_again.last_earlier().is_not(None), number() > 0)
