"""The daily limit of new files that need no approval."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select

from gitpip.model import PublicationId, PublicationState
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.store.database import Transaction
from gitpip.store.publications.permission import of_asking, of_sent
from gitpip.store.schema import never_arrived, publications
from gitpip.store.schema_rules import fresh
from gitpip.store.visibility import of_tracked

DAY = timedelta(days=1)


async def lasts(
    transaction: Transaction, most: int, now: datetime, overall: PublishingMode
) -> bool:
    """Return whether more than `most` unapproved files are new within a day, or still wait.

    Files that are not sent anyway, as in a dry run or in the mode ask, do not count; `overall` is
    the general mode.

    Files held because of such a day count until a person decides; files held or skipped for another
    reason do not. Files from before their user was added never count.
    """
    unapproved = publications.c.approved_at.is_(None)
    queued = (
        select(publications.c.id)
        .where(
            fresh,
            unapproved,
            publications.c.queued_at > now - DAY,
            or_(
                publications.c.part_of.is_not(None),
                publications.c.state.not_in(
                    [
                        PublicationState.SKIPPED.value,
                        PublicationState.HELD.value,
                        PublicationState.PENDING.value,
                    ]
                ),
            ),
        )
        .limit(most + 1)
    )
    waiting = (
        select(publications.c.id)
        .where(
            publications.c.state == PublicationState.PENDING.value,
            publications.c.backfill == 0,
            never_arrived,
            unapproved,
            publications.c.held_because.is_(None),
            of_sent(publications.c.user_key, overall),
            ~of_asking(publications.c.user_key, overall),
        )
        .limit(most + 1)
    )
    held = (
        select(publications.c.id)
        .where(
            publications.c.state == PublicationState.HELD.value,
            publications.c.backfill == 0,
            publications.c.held_because == HeldBecause.DAY_FLOOD,
            of_tracked(publications.c.user_key),
        )
        .limit(most + 1)
    )
    number = 0
    for rows in (waiting, held, queued):
        number += await transaction.scalar(select(func.count()).select_from(rows.subquery())) or 0
        if number > most:
            return True
    return False


async def fresh_of(
    transaction: Transaction, ids: Collection[PublicationId]
) -> frozenset[PublicationId]:
    """Return those of these publications that are not from before their user was added.

    The others were requested by the backfill rule, regardless of their number.
    """
    rows = await transaction.execute(
        select(publications.c.id).where(publications.c.id.in_(ids), publications.c.backfill == 0)
    )
    return frozenset(PublicationId(each) for each in rows.scalars())
