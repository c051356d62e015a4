"""Sending again on purpose: a further activity for what is in Pipedrive already.

Pipedrive keeps the earlier activity. Its marker and its id move to `earlier_activities`, and the
publication gets the next marker. So no list takes the earlier activity for the new one, and the new
one is sent exactly once, as every other. The note of the new one names the first marker, too: a
database that was set back, or a new one, recognises it as the activity of this file.

A marker is never used again, even if its activity was undone: a request with it may still arrive.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
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

from gitpip.errors import PublicationStateError
from gitpip.marking import next_marker
from gitpip.model import ActivityId, DealId, PublicationId, PublicationState
from gitpip.store import events, lease, ledger
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.publications import recognition, second_sends
from gitpip.store.publications.being_undone import bound_account_key
from gitpip.store.publications.recognition import Sighting
from gitpip.store.rows import in_pieces, reader
from gitpip.store.schema import gist_files, publications
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import amendments, earlier_activities
from gitpip.store.schema_publishing import second_sends as watched_publications

PUBLISHED, WITHDRAWN = PublicationState.PUBLISHED, PublicationState.WITHDRAWN
FIRST_ATTEMPT = {
    "attempts": 0,
    "refusals": 0,
    "looks": 0,
    "reason": None,
    "not_looked_for": False,
    "in_flight_until": None,
    "refused_at": None,
    "activity_lost_at": None,
    **lease.NO_CLAIM,
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
    """The reason why an undo left it in Pipedrive."""


_earlier = reader(Earlier)


@cache
def is_there() -> ColumnElement[bool]:
    """Return the condition that an earlier activity is in the account that the rows belong to."""
    return and_(
        earlier_activities.c.deleted_at.is_(None),
        earlier_activities.c.account_key == bound_account_key(),
    )


def last_earlier(*also: ColumnElement[bool]) -> ScalarSelect[Any]:
    """Return the id of a publication's newest earlier activity in Pipedrive; NULL without one."""
    return (
        select(func.max(earlier_activities.c.id))
        .where(earlier_activities.c.publication_id == publications.c.id, is_there(), *also)
        .correlate(publications)
        .scalar_subquery()
    )


@cache
def to_be_deleted() -> ScalarSelect[Any]:
    """Return the id of the next earlier activity that an undo has not handled; NULL without one."""
    return last_earlier(earlier_activities.c.kept_because.is_(None))


def may_be_sent_again() -> ColumnElement[bool]:
    """Return the condition on a publication, besides its state, for a further activity.

    While gitpip searches for a second activity of what it sent twice, none is added.
    """
    watched = watched_publications.c.publication_id
    looked_for = select(watched).where(watched == publications.c.id).correlate(publications)
    return or_(publications.c.looked_at.is_(None), ~looked_for.exists())


def is_awaited() -> ColumnElement[bool]:
    """Return the condition that an activity was taken back and its request may still arrive."""
    of = earlier_activities.c
    taken_back = select(of.id).where(
        of.publication_id == publications.c.id, of.deleted_at.is_not(None)
    )
    return and_(~may_be_sent_again(), taken_back.correlate(publications).exists())


async def check_not_awaited(transaction: Transaction, publication_id: PublicationId) -> None:
    """Raise PublicationStateError if what was undone of a publication may still arrive."""
    awaited = select(publications.c.id).where(
        publications.c.id == publication_id, publications.c.state == WITHDRAWN.value, is_awaited()
    )
    if await transaction.scalar(awaited) is not None:
        raise PublicationStateError(
            f"publication {publication_id} was undone while gitpip verified whether it arrived; "
            "send it again in an hour"
        )


async def send(
    transaction: Transaction, which: ColumnElement[bool], *, by: str, now: datetime
) -> tuple[int, ...]:
    """Have these published or withdrawn publications sent once more; return their users' keys.

    Call `ledger.lock` first. An activity that an undo deleted is sent with its own marker, as by a
    retry. If Pipedrive is known to have the further activity, as after a restore, it is not sent.
    """
    rows = (
        await transaction.execute(
            select(publications).where(which).order_by(publications.c.id).with_for_update()
        )
    ).all()
    if not rows:
        return ()
    account = await accounts.bound(transaction, Vendor.DESTINATION)
    key = account.key if account else accounts.NO_KEY
    there = [row for row in rows if row.state is PUBLISHED]
    following = await _following_markers(transaction, there)
    kept = await _kept(transaction, key, there, following)
    await replace(transaction, key, there, by=by, now=now)
    reset = {
        "state": PublicationState.PENDING.value,
        "due_at": now,
        "approved_at": now,
        "approved_by": by,
        **FIRST_ATTEMPT,
    }
    for some in in_pieces([row.id for row in rows if row.state is WITHDRAWN]):
        in_doubt = publications.c.looked_at.is_not(None)
        place = {name: case((in_doubt, publications.c[name])) for name in ("deal_id", "sent_to")}
        await transaction.execute(
            update(publications).where(publications.c.id.in_(some)).values(**reset, **place)
        )
    if there:
        await transaction.execute(
            update(publications)
            .where(publications.c.id == bindparam("of"))
            .values(
                **reset,
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
            [{"of": row.id, "next": following[row.id]} for row in there],
        )
    for number, seen in kept.items():
        await _recognise(transaction, key, number, seen, now)
    return tuple(row.user_key for row in rows)


async def _following_markers(transaction: Transaction, rows: Sequence[Any]) -> dict[int, str]:
    """Return the marker of the next activity of each publication: one that it never had."""
    used: defaultdict[int, set[str]] = defaultdict(set)
    for some in in_pieces([row.id for row in rows]):
        of_publication = earlier_activities.c.publication_id
        for number, marker in await transaction.execute(
            select(of_publication, earlier_activities.c.marker).where(of_publication.in_(some))
        ):
            used[number].add(marker)
    found: dict[int, str] = {}
    for row in rows:
        marker = next_marker(row.marker)
        while marker in used[row.id]:
            marker = next_marker(marker)
        found[row.id] = marker
    return found


async def _kept(
    transaction: Transaction, account_key: int, rows: Sequence[Any], following: Mapping[int, str]
) -> dict[int, Sighting]:
    """Return the further activities that lists have shown of publications, as after a restore."""
    by_marker = await recognition.kept_with(transaction, account_key, following.values())
    first = {row.id: row.first_marker or row.marker for row in rows}
    further = await recognition.further(transaction, account_key, set(first.values()))
    found: dict[int, Sighting] = {}
    for row in rows:
        newer = (
            seen
            for seen in further.get(first[row.id], ())
            if row.activity_id is None or seen.activity_id > row.activity_id
        )
        if seen := by_marker.get(following[row.id]) or next(newer, None):
            found[row.id] = seen
    return found


async def replace(
    transaction: Transaction,
    account_key: int,
    there: Sequence[Any],
    *,
    by: str | None,
    now: datetime,
) -> None:
    """Store the present activities of these as earlier ones; their notes stay as they are."""
    names = ("marker", "activity_id", "deal_id", "sent_to", "published_at", "note_written_at")
    kept = [
        {"publication_id": row.id, "account_key": account_key, "replaced_at": now}
        | {"replaced_by": by and by[:120]}
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
    """Make an activity that lists have shown the further one of a publication."""
    await transaction.execute(
        update(publications)
        .where(publications.c.id == number)
        .values(
            state=PUBLISHED.value,
            marker=seen.marker,
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
    """Restore these publications as they were before they were sent again; return their ids.

    Their newest activity is no longer theirs: it was deleted, or never made. An uncertain activity
    is searched for during the next hour, and is not sent again before that. Publications without an
    earlier activity stay as they are.
    """
    rows = await transaction.execute(
        select(
            publications.c.id,
            publications.c.marker.label("undone_marker"),
            publications.c.activity_id.label("undone_activity"),
            publications.c.deal_id.label("undone_deal"),
            publications.c.sent_to.label("undone_target"),
            publications.c.looked_at,
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
        await _restore(transaction, row, now)
    in_doubt = [row.id for row in found if row.looked_at is not None]
    await second_sends.watch(transaction, in_doubt, now)
    return tuple(PublicationId(row.id) for row in found)


async def _restore(transaction: Transaction, row: Row[Any], now: datetime) -> None:
    """Swap the newest activity of a publication with the one before it."""
    of = publications.c
    await transaction.execute(
        update(earlier_activities)
        .where(earlier_activities.c.id == row.id_1)
        .values(
            marker=row.undone_marker,
            activity_id=row.undone_activity,
            deal_id=row.undone_deal,
            sent_to=row.undone_target,
            deleted_at=now,
        )
    )
    await transaction.execute(
        update(publications)
        .where(of.id == row.id)
        .values(
            **FIRST_ATTEMPT,
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
        )
    )


async def end_waits(transaction: Transaction, now: datetime) -> None:
    """Restore what waits to be sent again to its earlier activity, before a switch of the account.

    A person had it sent again to the present account, and not to the next one.
    """
    await ledger.lock(transaction)
    waits = [PublicationState.PENDING, PublicationState.HELD, PublicationState.FAILED]
    await step_back(transaction, publications.c.state.in_(waits), now)


async def earlier(transaction: Transaction, publication_id: PublicationId) -> tuple[Earlier, ...]:
    """Return the earlier activities of a publication that are in Pipedrive, the newest first."""
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
    """Return those of these activities that publications had before, also deleted ones."""
    found = await transaction.execute(
        select(earlier_activities.c.activity_id).where(
            earlier_activities.c.activity_id.in_(list(activity_ids)),
            earlier_activities.c.account_key == bound_account_key(),
        )
    )
    return frozenset(found.scalars())


async def with_markers(transaction: Transaction, wanted: Collection[str]) -> dict[str, int]:
    """Return the activities that had these markers before; 0 for one that was never made."""
    rows = await transaction.execute(
        select(earlier_activities.c.marker, earlier_activities.c.activity_id).where(
            earlier_activities.c.marker.in_(list(wanted)),
            earlier_activities.c.account_key == bound_account_key(),
        )
    )
    return {row.marker: row.activity_id or 0 for row in rows}
