"""Our activities that were seen in Pipedrive: the ledger adopts what it did not know.

An activity is found by its marker, which follows from the gist file and its revision. If the
publication does not exist yet, as in a new database, the activity is stored, and the publication
starts as published.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Result,
    Row,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from gitpip.model import (
    ActivityId,
    DealId,
    GistId,
    OnEdit,
    PublicationId,
    PublicationState,
    UserKey,
)
from gitpip.store import events, lease
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.publications import (
    late_arrivals,
    note_updates,
    recognition,
    seen_parts,
    sent_again,
    undo_outcomes,
)
from gitpip.store.publications.deals import adopt_deal
from gitpip.store.publications.delivered import SENT
from gitpip.store.publications.late_arrivals import TakenBack
from gitpip.store.publications.publication_rows import is_its_revision
from gitpip.store.publications.recognition import Sighting
from gitpip.store.rows import ROWS_PER_STATEMENT, in_pieces
from gitpip.store.schema import gist_files, publications, revisions, users
from gitpip.store.schema_accounts import markers
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import doubles, holder


@dataclass(frozen=True)
class Adopted:
    """A publication that the ledger did not know to be in Pipedrive."""

    publication_id: PublicationId
    login: str
    filename: str
    activity_id: ActivityId
    deal_id: DealId | None
    removed: bool
    """Whether its user is no longer tracked, so that nothing of it may be shown."""


@dataclass(frozen=True)
class TakenIn:
    """The result of taking in some sightings."""

    adopted: tuple[Adopted, ...] = ()
    kept: int = 0
    """The number of activities for which no publication exists yet."""
    duplicates: int = 0
    """The number of activities with the marker of another one."""
    known: int = 0
    unknown: tuple[Sighting, ...] = ()
    """The activities that the ledger did not expect: a lost request may have arrived late."""

    landed: int = 0
    """The number of adopted activities that were taken back before their request arrived."""

    def __add__(self, other: "TakenIn") -> "TakenIn":
        return TakenIn(
            self.adopted + other.adopted,
            self.kept + other.kept,
            self.duplicates + other.duplicates,
            self.known + other.known,
            self.unknown + other.unknown,
            self.landed + other.landed,
        )


async def take_in(
    transaction: Transaction,
    account_key: int,
    sightings: Sequence[Sighting],
    now: datetime,
    *,
    on_edit: OnEdit = OnEdit.IGNORE,
    write: bool = True,
) -> TakenIn:
    """Adopt what the ledger did not know to be in Pipedrive; without `write`, only return it.

    If several activities have one marker, the first that was seen counts, and the others are
    reported. If edits count (`on_edit`), what was adopted with a former content is brought up to
    date.
    """
    told = TakenIn()
    if write and not await accounts.lock_ledger_of(transaction, account_key):
        return told
    for some in in_pieces(sightings):
        told += await _take_in(transaction, account_key, some, now, on_edit=on_edit, write=write)
        if write:
            ids = [seen.activity_id for seen in some]
            gone = await _deleted_by_us(transaction, some)
            gone |= await sent_again.activities_among(transaction, ids)
            there = [seen for seen in some if seen.activity_id not in gone]
            wanted = await seen_parts.take_in(transaction, account_key, there)
            await attach_parts(transaction, account_key, wanted, now, on_edit)
    return told


async def attach_parts(
    transaction: Transaction,
    account_key: int,
    wanted: Collection[str],
    now: datetime,
    on_edit: OnEdit,
) -> None:
    """Mark publications with these markers as published in the activities of others.

    If edits are published, a file whose former content Pipedrive has is sent as an edit.
    """
    edited = await seen_parts.attach(transaction, account_key, wanted, now, on_edit=on_edit)
    if edited:
        await _adopt_edits(transaction, account_key, edited, now)


async def _take_in(
    transaction: Transaction,
    account_key: int,
    sightings: Sequence[Sighting],
    now: datetime,
    *,
    on_edit: OnEdit,
    write: bool,
) -> TakenIn:
    wanted = {sighting.marker for sighting in sightings}
    wanted |= {sighting.first_marker for sighting in sightings if sighting.first_marker}
    rows = await _publications(transaction, publications.c.marker.in_(wanted), lock=write)
    taken, seen = await _known(transaction, account_key, rows, sightings)
    late = await _taken_back(transaction, wanted - rows.keys(), lock=write)
    adopted: list[tuple[Row[Any], Sighting]] = []
    new: list[tuple[Sighting, bool]] = []
    edited: list[int] = []
    arrived: list[tuple[TakenBack, Sighting]] = []
    known = 0
    for sighting in sightings:
        publication = rows.get(sighting.marker) or _sent_again_since(rows, sighting, adopted)
        # A publication that is being sent is left to its sender, which searches for it if the
        # answer is lost.
        being_sent = publication and _is_being_sent(publication)
        is_taken = taken.get(sighting.marker) == sighting.activity_id
        if sighting.activity_id in seen or being_sent or is_taken:
            known += 1
        elif sighting.marker in late:
            taken[sighting.marker] = sighting.activity_id
            row, taken_back = late.pop(sighting.marker)
            adopted.append((row, sighting))
            arrived.append((taken_back, sighting))
        elif sighting.marker in taken:
            new.append((sighting, True))
        else:
            taken[sighting.marker] = sighting.activity_id
            if publication is None:
                new.append((sighting, False))
            elif recognition.was_other_content(publication, sighting.content, on_edit):
                edited.append(publication.id)
                new.append((sighting, False))
            else:
                adopted.append((publication, sighting))
    if write:
        await late_arrivals.make_room(transaction, account_key, arrived, now)
        await _adopt(transaction, adopted, now, on_edit)
        await late_arrivals.undo(transaction, arrived, now)
        await _keep(transaction, account_key, new, now)
        if on_edit is OnEdit.NEW and new:
            adopted += await _adopt_edits(transaction, account_key, edited, now)
    return TakenIn(
        adopted=tuple(_adopted(row, sighting) for row, sighting in adopted),
        kept=sum(not duplicate for _, duplicate in new),
        duplicates=sum(duplicate for _, duplicate in new),
        known=known,
        unknown=tuple(sighting for row, sighting in adopted if row.sent_at is None)
        + tuple(sighting for sighting, duplicate in new if not duplicate),
        landed=len(arrived)
        + sum(row.state == PublicationState.WITHDRAWN.value for row, _ in adopted),
    )


async def _taken_back(
    transaction: Transaction, wanted: Collection[str], *, lock: bool
) -> dict[str, tuple[Row[Any], TakenBack]]:
    """Return the publications that had these markers, if a request with one may still arrive."""
    found = await late_arrivals.that_may_land(transaction, wanted)
    ids = [each.publication_id for each in found.values()]
    rows = (await _publications(transaction, publications.c.id.in_(ids), lock=lock)).values()
    by_id = {row.id: row for row in rows}
    return {marker: (by_id[each.publication_id], each) for marker, each in found.items()}


def _sent_again_since(
    rows: Mapping[str, Row[Any]], sighting: Sighting, adopted: Sequence[tuple[Row[Any], Sighting]]
) -> Row[Any] | None:
    """Return the publication of an activity that was sent again, as this database has lost.

    None if the publication has an activity: this one is stored until it is sent again.
    """
    row = rows.get(sighting.first_marker or "")
    if row is None or row.holder_state is not None or row.state in SENT:
        return None
    return None if any(other.id == row.id for other, _ in adopted) else row


def _is_being_sent(row: Row[Any]) -> bool:
    if row.holder_state is not None:
        # Only its holder is sent, and searched for.
        return row.holder_state not in (PublicationState.PUBLISHED.value, *seen_parts.GIVEN_UP)
    return bool(row.state == PublicationState.SENDING.value)


async def _known(
    transaction: Transaction,
    account_key: int,
    rows: Mapping[str, Row[Any]],
    sightings: Sequence[Sighting],
) -> tuple[dict[str, int], set[int]]:
    """Return the activity of each marker, and the activities of the sightings that are known."""
    kept = await _kept(transaction, account_key, sightings)
    taken: dict[str, int] = {}
    for marker, row in rows.items():
        if PublicationState.PUBLISHED.value in (row.state, row.holder_state):
            taken[marker] = row.activity_id or row.holder_activity
    formerly = await sent_again.with_markers(transaction, {one.marker for one in sightings})
    taken = {marker: each for marker, each in formerly.items() if marker not in rows} | taken
    for row in sorted(kept, key=lambda row: row.duplicate):
        taken.setdefault(row.marker, row.activity_id)
    seen = {row.activity_id for row in kept} | await _published(transaction, sightings)
    seen |= await sent_again.activities_among(transaction, [one.activity_id for one in sightings])
    return taken, seen | await _deleted_by_us(transaction, sightings)


def _adopted(row: Row[Any], sighting: Sighting) -> Adopted:
    return Adopted(
        PublicationId(row.id),
        row.login,
        row.filename,
        sighting.activity_id,
        sighting.deal_id,
        removed=row.removed_at is not None,
    )


async def _adopt_edits(
    transaction: Transaction, account_key: int, edited: Sequence[int], now: datetime
) -> list[tuple[Row[Any], Sighting]]:
    """Adopt activities that hold the content of an edit that waits to be sent.

    The publications `edited` are of files that Pipedrive has with a former content: they are marked
    by their content from now on. Others may have been marked by a number in Pipedrive.
    """
    waits = and_(publications.c.state.in_(recognition.NOT_SENT), publications.c.sent_at.is_(None))
    rows: list[Row[Any]] = []
    for which in (publications.c.id.in_(edited), publications.c.revision > 1):
        rows += (await _publications(transaction, and_(waits, which), lock=True)).values()
    wanted = {row: recognition.wanted_of(row) for row in rows}
    candidates = {marker for one in wanted.values() for marker in one.markers_of_content}
    kept = await recognition.kept_with(transaction, account_key, candidates)
    found: list[tuple[Row[Any], Sighting]] = []
    for row, one in wanted.items():
        # A later edit is found by its own marker, which counts how often it had this content.
        others = {marker: kept[marker] for marker in kept if marker != one.marker_of_content}
        seen = recognition.of_content(one, kept if row.id in edited else others)
        if seen is not None:
            found.append((row, seen))
        elif row.id in edited:
            await transaction.execute(
                update(publications)
                .where(publications.c.id == row.id)
                .values(marker=one.marker_of_content, **lease.NO_CLAIM)
            )
    await _adopt(transaction, found, now, OnEdit.NEW)
    await recognition.take(transaction, account_key, [seen.activity_id for _, seen in found])
    return found


async def _publications(
    transaction: Transaction, wanted: ColumnElement[bool], *, lock: bool
) -> dict[str, Row[Any]]:
    found = (
        select(
            publications.c.id,
            publications.c.marker,
            publications.c.first_marker,
            publications.c.state,
            publications.c.activity_id,
            publications.c.sent_at,
            publications.c.user_key,
            publications.c.revision,
            users.c.login,
            users.c.removed_at,
            gist_files.c.gist_id,
            gist_files.c.filename,
            gist_files.c.blob_hash,
            func.coalesce(revisions.c.blob_hash, gist_files.c.blob_hash).label("revision_hash"),
            holder.c.state.label("holder_state"),
            holder.c.activity_id.label("holder_activity"),
        )
        .select_from(publications)
        .outerjoin(holder, holder.c.id == publications.c.part_of)
        .join(users, users.c.key == publications.c.user_key)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .outerjoin(revisions, is_its_revision)
        .where(wanted)
        .order_by(publications.c.id)
        .limit(ROWS_PER_STATEMENT)
    )
    rows: Result[Any] = await transaction.execute(
        found.with_for_update(of=publications) if lock else found
    )
    return {row.marker: row for row in rows}


async def _published(transaction: Transaction, sightings: Sequence[Sighting]) -> set[int]:
    """Return the activities that publications have, also if a person changed their markers."""
    ids = [sighting.activity_id for sighting in sightings]
    found = await transaction.execute(
        select(publications.c.activity_id).where(publications.c.activity_id.in_(ids))
    )
    return set(found.scalars())


async def _deleted_by_us(transaction: Transaction, sightings: Sequence[Sighting]) -> set[int]:
    """Return activities that gitpip deleted, doubled or undone: a lagging list may show them."""
    ids = [sighting.activity_id for sighting in sightings]
    withdrawn = await transaction.execute(
        select(publications.c.deleted_activity_id).where(
            publications.c.marker.in_({sighting.marker for sighting in sightings}),
            publications.c.deleted_activity_id.in_(ids),
        )
    )
    found = await transaction.execute(
        select(doubles.c.activity_id).where(
            doubles.c.activity_id.in_(ids), doubles.c.reason.is_(None)
        )
    )
    return set(found.scalars()) | set(withdrawn.scalars())


async def _kept(
    transaction: Transaction, account_key: int, sightings: Sequence[Sighting]
) -> Sequence[Row[Any]]:
    rows = await transaction.execute(
        select(markers).where(
            markers.c.account_key == account_key,
            or_(
                markers.c.marker.in_({sighting.marker for sighting in sightings}),
                # A person may have changed the marker of an activity since.
                markers.c.activity_id.in_([sighting.activity_id for sighting in sightings]),
            ),
        )
    )
    return rows.all()


async def _adopt(
    transaction: Transaction,
    adopted: Sequence[tuple[Row[Any], Sighting]],
    now: datetime,
    on_edit: OnEdit,
) -> None:
    deals_of: defaultdict[UserKey, Counter[DealId]] = defaultdict(Counter)
    happened: list[NewEvent] = []
    for row, sighting in adopted:
        as_published = (
            update(publications)
            .where(publications.c.id == row.id)
            .values(
                state=PublicationState.PUBLISHED.value,
                refused_at=None,
                marker=sighting.marker,
                first_marker=sighting.first_marker or row.first_marker,
                activity_id=sighting.activity_id,
                deal_id=sighting.deal_id,
                published_at=sighting.added_at or now,
                due_at=now,
                reason=None,
                **lease.NO_CLAIM,
                activity_lost_at=None,
                part_of=None,
            )
        )
        try:
            async with transaction.begin_nested():
                await transaction.execute(as_published)
        except IntegrityError:
            continue  # one that the database refuses keeps no other from being adopted
        happened.append(
            NewEvent(
                EventKind.PUBLICATION_PUBLISHED,
                UserKey(row.user_key),
                GistId(row.gist_id),
                PublicationId(row.id),
                row.filename,
            )
        )
        if row.state == PublicationState.WITHDRAWN.value:
            await undo_outcomes.landed_late(transaction, row.id, sighting.added_at, now)
        # If edits are written into the note, it shows the file as it is now.
        shown = row.blob_hash if on_edit is OnEdit.UPDATE else row.revision_hash
        if row.sent_at is None and recognition.is_outdated(sighting, shown, on_edit):
            await note_updates.ask(transaction, row.id, now)
        if sighting.deal_id is not None:
            deals_of[UserKey(row.user_key)][sighting.deal_id] += 1
    for user_key, counted in sorted(deals_of.items()):
        await adopt_deal(transaction, user_key, counted, now)
    await events.record(transaction, now, *happened)


async def _keep(
    transaction: Transaction,
    account_key: int,
    new: Sequence[tuple[Sighting, bool]],
    now: datetime,
) -> None:
    if not new:
        return
    await transaction.execute(
        insert(markers),
        [
            {
                "account_key": account_key,
                "activity_id": sighting.activity_id,
                "marker": sighting.marker,
                "deal_id": sighting.deal_id,
                "added_at": sighting.added_at,
                "seen_at": now,
                "content": sighting.content,
                "first_marker": sighting.first_marker,
                "duplicate": int(duplicate),
            }
            for sighting, duplicate in new
        ],
    )


async def waiting(transaction: Transaction, account_key: int) -> int:
    """Return how many activities are stored until their publication exists."""
    number = await transaction.scalar(
        select(func.count()).where(markers.c.account_key == account_key, markers.c.duplicate == 0)
    )
    return number or 0


async def forget(transaction: Transaction, marker: str, activity_ids: Collection[int]) -> None:
    """Forget what was seen of these activities of one marker: one of them was deleted."""
    await transaction.execute(
        delete(markers).where(
            markers.c.marker == marker, markers.c.activity_id.in_(list(activity_ids))
        )
    )
