"""Late arrivals: files sent again and taken back, whose request reached Pipedrive after all.

The sending was undone or skipped before it was known whether it had arrived. A request that arrives
later makes an activity nevertheless. An activity that was undone is deleted then. One that was
skipped counts as published.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update

from gitpip.model import PublicationId, PublicationState
from gitpip.store.database import Transaction
from gitpip.store.publications import sent_again, undo_outcomes
from gitpip.store.publications.being_undone import bound_account_key
from gitpip.store.publications.recognition import Sighting
from gitpip.store.rows import reader
from gitpip.store.schema import publications
from gitpip.store.schema_publishing import earlier_activities, second_sends
from gitpip.targets import Target


@dataclass(frozen=True)
class TakenBack:
    """An activity that was undone or skipped, and may be in Pipedrive after all."""

    publication_id: PublicationId
    marker: str
    sent_to: Target | None
    taken_back_at: datetime


_taken_back = reader(TakenBack)


async def that_may_land(transaction: Transaction, wanted: Collection[str]) -> dict[str, TakenBack]:
    """Return those of these markers that were taken back and whose request may still arrive.

    An activity that was deleted may have a second one, as long as gitpip searches for it.
    """
    of = earlier_activities.c
    watched = select(second_sends.c.publication_id)
    rows = await transaction.execute(
        select(of.publication_id, of.marker, of.sent_to, of.deleted_at.label("taken_back_at"))
        .join(publications, publications.c.id == of.publication_id)
        .where(
            of.marker.in_(list(wanted)),
            of.account_key == bound_account_key(),
            of.deleted_at.is_not(None),
            or_(of.activity_id.is_(None), of.publication_id.in_(watched)),
            publications.c.state.in_(
                [PublicationState.PUBLISHED.value, PublicationState.WITHDRAWN.value]
            ),
        )
    )
    return {row.marker: _taken_back(row) for row in rows}


async def make_room(
    transaction: Transaction,
    account_key: int,
    arrived: Sequence[tuple[TakenBack, Sighting]],
    now: datetime,
) -> None:
    """Make activities that were taken back and have arrived the newest ones again.

    The activity that the publication has, or had until an undo deleted it, becomes an earlier one.
    Adopt the arrived ones after this.
    """
    for each, _ in arrived:
        await _make_room(transaction, account_key, each, now)


async def _make_room(
    transaction: Transaction, account_key: int, landed: TakenBack, now: datetime
) -> None:
    of = publications.c
    wanted = select(publications).where(of.id == landed.publication_id)
    row = (await transaction.execute(wanted)).one()
    await transaction.execute(
        delete(earlier_activities).where(
            earlier_activities.c.publication_id == landed.publication_id,
            earlier_activities.c.marker == landed.marker,
            earlier_activities.c.activity_id.is_(None),
        )
    )
    await sent_again.replace(transaction, account_key, [row], by=None, now=now)
    if row.state is PublicationState.WITHDRAWN:
        await transaction.execute(
            update(earlier_activities)
            .where(
                earlier_activities.c.publication_id == landed.publication_id,
                earlier_activities.c.marker == row.marker,
                earlier_activities.c.activity_id.is_(None),
            )
            .values(activity_id=row.deleted_activity_id, deleted_at=now)
        )
    await transaction.execute(
        update(publications)
        .where(of.id == landed.publication_id)
        .values(
            first_marker=func.coalesce(of.first_marker, of.marker),
            sent_to=landed.sent_to,
            note_written_at=None,
        )
    )


async def undo(
    transaction: Transaction, arrived: Sequence[tuple[TakenBack, Sighting]], now: datetime
) -> None:
    """Undo what was undone before it arrived, and is adopted by now."""
    for each, sighting in arrived:
        await undo_outcomes.landed_late(
            transaction,
            each.publication_id,
            sighting.added_at,
            now,
            taken_back_at=each.taken_back_at,
        )
