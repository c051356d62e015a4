"""Second sends: files and deals that are searched for an hour, as the first request may arrive."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from gitpip.clock import rounded_up
from gitpip.model import ActivityId, Publication, PublicationId, PublicationState
from gitpip.modes import ActivityLeftBecause, PublishingMode
from gitpip.store.database import Transaction
from gitpip.store.publications import seen_parts
from gitpip.store.publications.permission import Present, of_mended
from gitpip.store.publications.publication_rows import publication_of, selected
from gitpip.store.rows import in_pieces
from gitpip.store.schema import deals, publications
from gitpip.store.schema_accounts import markers
from gitpip.store.schema_publishing import doubles, second_deals, second_sends
from gitpip.store.visibility import of_tracked

WATCHED = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=20),
    timedelta(minutes=34),
)
"""The waits before each search, from the second request on: an hour in all."""
MAX_WATCHED_AT_ONCE = 2_000
WATCHED_FOR = sum(WATCHED, timedelta(0))
GRID = timedelta(minutes=5)
"""Searches are made at multiples of this, so that one list serves many publications."""


@dataclass(frozen=True)
class LeftActivity:
    """The reason why gitpip leaves a second activity in Pipedrive."""

    because: ActivityLeftBecause
    reason: str
    """The sentence for people."""


@dataclass(frozen=True)
class Double:
    """A publication with a second activity in Pipedrive, now or before."""

    publication_id: PublicationId
    marker: str | None
    """The marker of both; None if a gitpip of before 0059 wrote the row."""
    activity_id: ActivityId
    left: LeftActivity | None
    """None if gitpip deleted it."""


@dataclass(frozen=True)
class Watch:
    """The rows of one table that are searched for again a few times."""

    table: Table
    key: Column[int]

    async def begin(self, transaction: Transaction, number: int, now: datetime) -> None:
        """Search for it again from now on, as it is sent."""
        values = {"due_at": rounded_up(now + WATCHED[0], GRID), "looks": 0}
        known = await transaction.execute(
            update(self.table).where(self.key == number).values(values)
        )
        if not known.rowcount:
            await transaction.execute(insert(self.table).values({self.key.name: number, **values}))

    async def looked(
        self, transaction: Transaction, number: int, looks: int, now: datetime
    ) -> None:
        """Record a complete search and the time of the next one; the last one ends the watch."""
        if looks + 1 >= len(WATCHED):
            await transaction.execute(delete(self.table).where(self.key == number))
        else:
            due_at = rounded_up(now + WATCHED[looks + 1], GRID)
            await self.postpone(transaction, number, due_at, looks + 1)

    async def postpone(
        self, transaction: Transaction, number: int, due_at: datetime, looks: int
    ) -> None:
        """Search again at another time, with this number of searches so far."""
        await transaction.execute(
            update(self.table).where(self.key == number).values(due_at=due_at, looks=looks)
        )


_is_there = and_(
    or_(publications.c.deal_id.is_not(None), publications.c.sent_to.is_not(None)),
    # Undone publications are searched for, too: a request that seemed lost may still arrive.
    publications.c.state.in_((PublicationState.PUBLISHED.value, PublicationState.WITHDRAWN.value)),
)
OF_PUBLICATIONS = Watch(second_sends, second_sends.c.publication_id)
OF_DEALS = Watch(second_deals, second_deals.c.user_key)


async def watch(transaction: Transaction, ids: Collection[int], now: datetime) -> None:
    """Search again for publications that were in doubt once: a request may still arrive."""
    for some in in_pieces(list(ids)):
        known = await transaction.execute(
            select(second_sends.c.publication_id).where(second_sends.c.publication_id.in_(some))
        )
        new = set(some) - set(known.scalars())
        if new:
            await transaction.execute(
                insert(second_sends), [{"publication_id": each, "due_at": now} for each in new]
            )


async def next_due(
    transaction: Transaction, overall: PublishingMode = PublishingMode.AUTOMATIC
) -> datetime | None:
    """Return when the next search is due, for a file or a deal; None if nothing is watched.

    `overall` is the general mode: there is no search for what waits in a dry run.
    """
    of_file: datetime | None = await transaction.scalar(_next_file(overall))
    of_deal: datetime | None = await transaction.scalar(_next_deal(overall))
    return min((due_at for due_at in (of_file, of_deal) if due_at is not None), default=None)


@cache
def _next_file(overall: PublishingMode) -> Select[Any]:
    return (
        select(second_sends.c.due_at)
        .where(_can_be_looked_at(overall))
        .join(publications, publications.c.id == second_sends.c.publication_id)
        .order_by(second_sends.c.due_at)
        .limit(1)
    )


@cache
def _next_deal(overall: PublishingMode) -> Select[Any]:
    return (
        select(second_deals.c.due_at)
        .join(deals, deals.c.user_key == second_deals.c.user_key)
        .where(deal_can_be_looked_at(overall))
        .order_by(second_deals.c.due_at)
        .limit(1)
    )


async def due(transaction: Transaction, present: Present) -> Mapping[Publication, int]:
    """Return the watched publications for which a search is due, with the searches so far.

    At most `MAX_WATCHED_AT_ONCE`: one list answers for all of them.
    """
    watched = await transaction.execute(
        select(second_sends)
        .join(publications, publications.c.id == second_sends.c.publication_id)
        .where(_can_be_looked_at(present.mode), second_sends.c.due_at <= present.now)
        .order_by(second_sends.c.due_at)
        .limit(MAX_WATCHED_AT_ONCE)
    )
    looks = {row.publication_id: row.looks for row in watched}
    rows = await transaction.execute(selected().where(publications.c.id.in_(looks)))
    return {each: looks[each.id] for each in (publication_of(row) for row in rows)}


async def doubtful(transaction: Transaction, account_key: int, since: datetime) -> int:
    """Return how many watched files may be in Pipedrive twice.

    They may if lists have shown activities of ours, `since` then, that the ledger did not know.
    """
    others = publications.alias()
    has_publication = exists().where(others.c.marker == markers.c.marker)
    unknown = exists().where(
        markers.c.account_key == account_key,
        markers.c.seen_at >= since,
        markers.c.acknowledged_at.is_(None),
        or_(markers.c.duplicate == 1, ~has_publication),
    )
    number = await transaction.scalar(
        select(func.count())
        .select_from(second_sends)
        .join(publications, publications.c.id == second_sends.c.publication_id)
        .where(_is_there, of_tracked(publications.c.user_key), unknown)
    )
    return number or 0


async def note(transaction: Transaction, double: Double, now: datetime) -> bool:
    """Store a double, to be shown; return False if it is known."""
    mine = doubles.c.publication_id == double.publication_id
    row = (await transaction.execute(select(doubles).where(mine).with_for_update())).one_or_none()
    if row is not None and _double_of(row) == double:
        return False
    await transaction.execute(delete(doubles).where(mine))
    await transaction.execute(
        insert(doubles).values(
            publication_id=double.publication_id,
            marker=double.marker,
            activity_id=double.activity_id,
            found_at=now,
            reason=double.left and double.left.reason,
            left_because=double.left and double.left.because,
        )
    )
    return True


async def known(transaction: Transaction, publication: Publication) -> Double | None:
    """Return the last double found of a publication, since it was last sent again."""
    mine = doubles.c.publication_id == publication.id
    present = or_(doubles.c.marker.is_(None), doubles.c.marker == publication.marker)
    row = (await transaction.execute(select(doubles).where(mine, present))).one_or_none()
    return None if row is None else _double_of(row)


def _double_of(row: Row[Any]) -> Double:
    left = None
    if row.reason is not None:
        # A gitpip of before 0051 may still run alongside this one, and stores no kind: nothing is
        # deleted that may be a person's.
        left = LeftActivity(row.left_because or ActivityLeftBecause.TOO_MANY, row.reason)
    return Double(row.publication_id, row.marker, ActivityId(row.activity_id), left)


async def keep(transaction: Transaction, publication: Publication, activity_id: ActivityId) -> None:
    """Make this the activity of a published file, since the other was deleted.

    If it is that of another file of its gist, the publication becomes a part of that.
    """
    other = await transaction.scalar(
        select(publications.c.id).where(
            publications.c.activity_id == activity_id, publications.c.id != publication.id
        )
    )
    if other is not None:
        await seen_parts.join(transaction, publication.id, other)
        return
    await transaction.execute(
        update(publications)
        .where(
            publications.c.id == publication.id,
            publications.c.state == PublicationState.PUBLISHED.value,
            # Since then it may have been sent again, or that was undone.
            publications.c.marker == publication.marker,
        )
        .values(activity_id=activity_id)
    )


@cache
def _can_be_looked_at(overall: PublishingMode) -> ColumnElement[bool]:
    return and_(_is_there, of_mended(publications.c.user_key, overall))


@cache
def deal_can_be_looked_at(overall: PublishingMode) -> ColumnElement[bool]:
    """Return the condition that a watched deal is made, its user tracked and not in a dry run."""
    return and_(
        deals.c.state == PublicationState.PUBLISHED.value, of_mended(deals.c.user_key, overall)
    )
