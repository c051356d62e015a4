"""Publications that wait for a search of their deal before they are sent again."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, or_, update

from gitpip.model import Publication, PublicationId, PublicationState
from gitpip.store.column_types import UTCDateTime
from gitpip.store.database import Transaction
from gitpip.store.publications.publication_rows import publication_of, selected
from gitpip.store.schema import publications

ANSWERED = 500
"""The most publications that one search answers for."""


async def of_deal(
    transaction: Transaction, claim: Publication, now: datetime, *, earlier: timedelta
) -> Mapping[PublicationId, Publication]:
    """Return those that a search for `claim` also answers for, `claim` itself among them.

    They were sent to the same deal, at most `earlier` than it, and wait for nothing but a search.
    Some may be claimed.
    """
    of = publications.c
    since = () if claim.sent_after is None else (of.sent_after >= claim.sent_after - earlier,)
    rows = await transaction.execute(
        selected()
        .where(
            of.user_key == claim.user_key,
            of.deal_id == claim.deal_id,
            of.state == PublicationState.PENDING,
            of.looked_at.is_not(None),
            or_(of.not_looked_for == 1, of.due_at <= now, of.id == claim.id),
            *since,
        )
        .order_by(of.sent_after, of.id)
        .limit(ANSWERED)
    )
    return {each.id: each for each in map(publication_of, rows)}


async def answered(
    transaction: Transaction, waiting: Collection[Publication], looked_at: datetime
) -> None:
    """Record that a search, begun at `looked_at`, did not find them: they are due at once.

    One that was sent since it was read, or searched for by another process, stays as it is.
    """
    of = publications.c
    unchanged = (
        of.id == bindparam("mine"),
        of.state == PublicationState.PENDING,
        of.looked_at == bindparam("seen_looked_at", type_=UTCDateTime),
        of.sent_at == bindparam("seen_sent_at", type_=UTCDateTime),
    )
    waited = of.not_looked_for == 1
    change = (
        update(publications)
        .where(*unchanged)
        .values(
            looked_at=looked_at,
            due_at=case((waited, looked_at), else_=of.due_at),
            reason=case((waited, None), else_=of.reason),
            not_looked_for=False,
        )
    )
    each = [
        {"mine": one.id, "seen_looked_at": one.looked_at, "seen_sent_at": one.sent_at}
        for one in sorted(waiting, key=lambda one: one.id)
    ]
    if each:
        await transaction.execute(change, each)
