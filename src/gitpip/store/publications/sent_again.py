"""Sending again on purpose: a further activity for what is in Pipedrive already.

Pipedrive keeps the earlier activity. Its marker and its id move to `earlier_activities`, and the
publication gets the next marker: so no list takes the earlier activity for the new one, and the new
one is sent exactly once, as every other. The note of the new one names the first marker, too: a
database that was set back, or a new one, recognises it as the activity of this file.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from gitpip.marking import next_marker
from gitpip.model import ActivityId, DealId, PublicationId, PublicationState
from gitpip.store import events
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import Vendor
from gitpip.store.database import Transaction
from gitpip.store.events import EventKind, NewEvent
from gitpip.store.publications import recognition
from gitpip.store.publications.being_undone import bound_account_key
from gitpip.store.publications.recognition import Sighting
from gitpip.store.rows import in_pieces, reader
from gitpip.store.schema import amendments, gist_files, publications, second_sends
from gitpip.store.schema_publishing import earlier_activities

PUBLISHED, WITHDRAWN = PublicationState.PUBLISHED, PublicationState.WITHDRAWN
NO_CLAIM = {"token": None, "lease_until": None}
ANEW = {
    "attempts": 0,
    "refusals": 0,
    "looks": 0,
    "reason": None,
    "not_looked_for": False,
    "in_flight_until": None,
    "activity_lost_at": None,
    **NO_CLAIM,
}


@dataclass(frozen=True)
class Earlier:
    """An activity that was followed by a further one of the same publication. Times are UTC."""

    activity_id: ActivityId
    deal_id: DealId | None
    published_at: datetime | None
    replaced_at: datetime
    replaced_by: str | None
    kept_because: str | None
    """Why an undo left it in Pipedrive."""


_earlier = reader(Earlier)


def is_there() -> ColumnElement[bool]:
    """Whether an earlier activity is in the account that the rows belong to, as far as is known."""
    return and_(
        earlier_activities.c.deleted_at.is_(None),
        earlier_activities.c.account_key == bound_account_key(),
    )


def last_earlier(*also: ColumnElement[bool]) -> ScalarSelect[Any]:
    """The id of the newest earlier activity of a publication that is there; NULL without one."""
    return (
        select(func.max(earlier_activities.c.id))
        .where(earlier_activities.c.publication_id == publications.c.id, is_there(), *also)
        .correlate(publications)
        .scalar_subquery()
    )


def to_be_deleted() -> ScalarSelect[Any]:
    """The id of the next earlier activity that an undo has not looked at; NULL without one."""
    return last_earlier(earlier_activities.c.kept_because.is_(None))


def may_be_sent_again() -> ColumnElement[bool]:
    """Whether a further activity may be sent, besides what the state of a publication allows.

    While gitpip looks for a second activity of what it sent twice, none is added.
    """
    watched = second_sends.c.publication_id == publications.c.id
    looked_for = select(second_sends.c.publication_id).where(watched).correlate(publications)
    return or_(publications.c.looked_at.is_(None), ~looked_for.exists())


async def send(
    transaction: Transaction, which: ColumnElement[bool], *, by: str, now: datetime
) -> tuple[int, ...]:
    """Let these published or withdrawn publications be sent once more; gives their users' keys.

    Call `ledger.lock` first. What an undo deleted is sent with its own marker, as by a retry. Where
    Pipedrive is known to have the further activity, as after a restore, it is not sent.
    """
    rows = (
        await transaction.execute(
            select(publications).where(which).order_by(publications.c.id).with_for_update()
        )
    ).all()
    if not rows:
        return ()
    account = await accounts.bound(transaction, Vendor.PIPEDRIVE)
    key = account.key if account else accounts.NO_KEY
    there = [row for row in rows if row.state is PUBLISHED]
    kept = await recognition.kept_with(transaction, key, {next_marker(row.marker) for row in there})
    await _replace(transaction, key, there, by=by, now=now)
    anew = {
        "state": PublicationState.PENDING.value,
        "due_at": now,
        "approved_at": now,
        "approved_by": by,
        **ANEW,
    }
    for some in in_pieces([row.id for row in rows if row.state is WITHDRAWN]):
        in_doubt = publications.c.looked_at.is_not(None)
        place = {name: case((in_doubt, publications.c[name])) for name in ("deal_id", "sent_to")}
        await transaction.execute(
            update(publications).where(publications.c.id.in_(some)).values(**anew, **place)
        )
    if there:
        await transaction.execute(
            update(publications)
            .where(publications.c.id == bindparam("of"))
            .values(
                **anew,
                marker=bindparam("next"),
                first_marker=func.coalesce(publications.c.first_marker, publications.c.marker),
                is_new_round=True,
                # An adopted one was sent, too: nothing holds it, and no file of its gist joins it.
                sent_at=func.coalesce(publications.c.sent_at, now),
                sent_after=None,
                looked_at=None,
                deal_id=None,
                sent_to=None,
                activity_id=None,
                published_at=None,
                note_written_at=None,
            ),
            [{"of": row.id, "next": next_marker(row.marker)} for row in there],
        )
    for row in there:
        if seen := kept.get(next_marker(row.marker)):
            await _recognise(transaction, key, row.id, seen, now)
    return tuple(row.user_key for row in rows)


async def _replace(
    transaction: Transaction, account_key: int, there: Sequence[Any], *, by: str, now: datetime
) -> None:
    """Keep the present activities of these as earlier ones; their notes stay as they are."""
    names = ("marker", "activity_id", "deal_id", "sent_to", "published_at", "note_written_at")
    kept = [
        {"publication_id": row.id, "account_key": account_key, "replaced_at": now}
        | {"replaced_by": by[:120]}
        | {name: getattr(row, name) for name in names}
        for row in there
    ]
    if kept:
        await transaction.execute(insert(earlier_activities), kept)
    for some in in_pieces([row.id for row in there]):
        await transaction.execute(delete(amendments).where(amendments.c.publication_id.in_(some)))


async def _recognise(
    transaction: Transaction, account_key: int, number: int, seen: Sighting, now: datetime
) -> None:
    """Take an activity that lists have shown for the further one of a publication."""
    await transaction.execute(
        update(publications)
        .where(publications.c.id == number)
        .values(
            state=PUBLISHED.value,
            activity_id=seen.activity_id,
            deal_id=seen.deal_id,
            published_at=seen.added_at or now,
            is_new_round=False,
        )
    )
    await recognition.take(transaction, account_key, [seen.activity_id])
    row = (
        await transaction.execute(
            select(publications.c.user_key, gist_files.c.gist_id, gist_files.c.filename)
            .join(gist_files, gist_files.c.key == publications.c.file_key)
            .where(publications.c.id == number)
        )
    ).one()
    kind = EventKind.PUBLICATION_PUBLISHED
    told = NewEvent(kind, row.user_key, row.gist_id, PublicationId(number), row.filename)
    await events.record(transaction, now, told)


async def step_back(
    transaction: Transaction, which: ColumnElement[bool], now: datetime
) -> tuple[PublicationId, ...]:
    """Make these publications as they were before they were sent again; gives those.

    Their newest activity is none of theirs any more: it was deleted, or never made. Publications
    without an earlier activity stay as they are.
    """
    rows = await transaction.execute(
        select(
            publications.c.id,
            publications.c.marker.label("undone_marker"),
            publications.c.activity_id.label("undone_activity"),
            publications.c.deleted_activity_id,
            earlier_activities,
        )
        .select_from(publications)
        .join(earlier_activities, earlier_activities.c.id == last_earlier())
        .where(which)
        .order_by(publications.c.id)
        .with_for_update(of=publications)
    )
    found = rows.all()
    for row in found:
        of = publications.c
        await transaction.execute(
            update(earlier_activities)
            .where(earlier_activities.c.id == row.id_1)
            .values(marker=row.undone_marker, activity_id=row.undone_activity, deleted_at=now)
        )
        await transaction.execute(
            update(publications)
            .where(of.id == row.id)
            .values(
                **ANEW,
                state=PUBLISHED.value,
                due_at=now,
                marker=row.marker,
                first_marker=case((of.first_marker != row.marker, of.first_marker)),
                activity_id=row.activity_id,
                deleted_activity_id=row.undone_activity or row.deleted_activity_id,
                deal_id=row.deal_id,
                sent_to=row.sent_to,
                published_at=row.published_at or now,
                note_written_at=row.note_written_at,
                is_new_round=False,
                looked_at=None,
            )
        )
    return tuple(PublicationId(row.id) for row in found)


async def earlier(transaction: Transaction, publication_id: PublicationId) -> tuple[Earlier, ...]:
    """The earlier activities of a publication that are in Pipedrive, the newest first."""
    names = ("activity_id", "deal_id", "published_at", "replaced_at", "replaced_by", "kept_because")
    rows = await transaction.execute(
        select(*(earlier_activities.c[name] for name in names))
        .where(earlier_activities.c.publication_id == publication_id, is_there())
        .order_by(earlier_activities.c.id.desc())
    )
    return tuple(map(_earlier, rows))


async def activities_among(
    transaction: Transaction, activity_ids: Collection[int]
) -> frozenset[int]:
    """Those of these activities that publications had before, also deleted ones."""
    found = await transaction.execute(
        select(earlier_activities.c.activity_id).where(
            earlier_activities.c.activity_id.in_(list(activity_ids)),
            earlier_activities.c.account_key == bound_account_key(),
        )
    )
    return frozenset(found.scalars())


async def with_markers(transaction: Transaction, wanted: Collection[str]) -> dict[str, int]:
    """The activities that these markers stood for before; 0 for one that was never made."""
    rows = await transaction.execute(
        select(earlier_activities.c.marker, earlier_activities.c.activity_id).where(
            earlier_activities.c.marker.in_(list(wanted)),
            earlier_activities.c.account_key == bound_account_key(),
        )
    )
    return {row.marker: row.activity_id or 0 for row in rows}
