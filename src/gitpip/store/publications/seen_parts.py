"""Files that lists showed in activities of others of their gist, which publishes these files.

If a publication does not exist yet, what was seen is kept (the table `marker_parts`) until it does.
An activity has one holder among the publications: the one with its id; see `parts`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Integer,
    Result,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from gitpip.marking import ContentMatch, match
from gitpip.model import GistId, OnEdit, PublicationId, PublicationState, UserKey
from gitpip.modes import HeldBecause
from gitpip.store import events, lease
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.publications import note_updates, parts, recognition
from gitpip.store.publications.publication_rows import is_its_revision
from gitpip.store.publications.recognition import Sighting
from gitpip.store.rows import in_pieces
from gitpip.store.schema import gist_files, publications, revisions
from gitpip.store.schema_accounts import marker_parts, markers
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import holder

PUBLISHED, SENDING, HELD = (
    PublicationState.PUBLISHED.value,
    PublicationState.SENDING.value,
    PublicationState.HELD.value,
)
GIVEN_UP = (PublicationState.SKIPPED.value, PublicationState.FAILED.value, HELD)
"""The states of a holder in which its parts may be found elsewhere."""
WHICH_FILES = (
    "activity {} holds other files of this gist, and its note no longer says which; approve this "
    "file if it is missing there"
)


async def take_in(
    transaction: Transaction, account_key: int, sightings: Sequence[Sighting]
) -> frozenset[str]:
    """Store which files these activities hold; return the markers that `attach` must check.

    Call it after their own markers were taken in.
    """
    wanted: set[str] = set()
    for seen in sightings:
        if not seen.parts and not await _lacks_names(transaction, account_key, seen):
            continue
        group = dict(seen.parts) | {seen.marker: seen.content}
        known = await _known(transaction, account_key, seen, group) if seen.parts else set()
        new = {marker: content for marker, content in group.items() if marker not in known}
        if new:
            await transaction.execute(
                insert(marker_parts),
                [_values(account_key, seen, marker, content) for marker, content in new.items()],
            )
        wanted |= new.keys()
    return frozenset(wanted)


async def _lacks_names(transaction: Transaction, account_key: int, seen: Sighting) -> bool:
    """Return whether an activity holds unnamed files that are unknown, until it is stored."""
    if not seen.unnamed:
        return False
    known = (
        select(func.count())
        .select_from(publications.join(holder, holder.c.id == publications.c.part_of))
        .where(holder.c.activity_id == seen.activity_id)
    )
    noted = exists().where(
        marker_parts.c.account_key == account_key, marker_parts.c.activity_id == seen.activity_id
    )
    if (await transaction.scalar(known) or 0) >= seen.unnamed:
        return False
    return not await transaction.scalar(select(noted))


async def _known(
    transaction: Transaction, account_key: int, seen: Sighting, group: Collection[str]
) -> set[str]:
    """Return the markers of this activity's files for which nothing is new."""
    here = and_(
        marker_parts.c.account_key == account_key, marker_parts.c.activity_id == seen.activity_id
    )
    known = set((await transaction.execute(select(marker_parts.c.marker).where(here))).scalars())
    kept = select(markers.c.marker).where(
        markers.c.account_key == account_key, markers.c.activity_id == seen.activity_id
    )
    known |= set((await transaction.execute(kept)).scalars())
    rows: Result[Any] = await transaction.execute(
        select(
            publications.c.marker,
            publications.c.state,
            publications.c.activity_id,
            publications.c.part_of,
            holder.c.state.label("holder_state"),
            holder.c.activity_id.label("holder_activity"),
        )
        .select_from(publications.outerjoin(holder, holder.c.id == publications.c.part_of))
        .where(publications.c.marker.in_(list(group)))
    )
    return known | {row.marker for row in rows if _is_settled(row, seen)}


def _is_settled(row: Row[Any], seen: Sighting) -> bool:
    """Return whether a publication is in this activity, or published or being sent elsewhere."""
    if seen.activity_id in (row.activity_id, row.holder_activity):
        return True
    if row.part_of is not None and row.holder_state is not None:
        return row.holder_state not in GIVEN_UP
    return row.state in (PUBLISHED, SENDING)


def _values(
    account_key: int, seen: Sighting, marker: str, content: str | None
) -> dict[str, object]:
    return {
        "account_key": account_key,
        "activity_id": seen.activity_id,
        "marker": marker,
        "deal_id": seen.deal_id,
        "added_at": seen.added_at,
        "content": content,
    }


_ACCOUNT = bindparam("account", type_=Integer)
_MARKERS: BindParameter[Any] = bindparam("markers", expanding=True)
_own = (
    select(publications.c.id, publications.c.activity_id, gist_files.c.gist_id)
    .join(gist_files, gist_files.c.key == publications.c.file_key)
    .join(
        marker_parts,
        and_(
            marker_parts.c.marker == publications.c.marker,
            marker_parts.c.activity_id == publications.c.activity_id,
            marker_parts.c.account_key == _ACCOUNT,
        ),
    )
    .where(publications.c.marker.in_(_MARKERS))
)


async def attach(
    transaction: Transaction,
    account_key: int,
    wanted: Collection[str],
    now: datetime,
    *,
    on_edit: OnEdit,
) -> tuple[int, ...]:
    """Make the publications with these markers parts of the activities that hold their files.

    Return those that must be sent as edits, since Pipedrive has a former content of their file.
    """
    edited: list[int] = []
    happened: list[NewEvent] = []
    for some in in_pieces(sorted(wanted)):
        for row in await _waiting(transaction, account_key, some):
            if recognition.was_other_content(row, row.content, on_edit):
                edited.append(row.id)
            elif await _attach(transaction, account_key, row, now):
                kind = EventKind.PUBLICATION_PUBLISHED
                happened.append(
                    NewEvent(kind, UserKey(row.user_key), row.gist_id, row.id, row.filename)
                )
                if on_edit is OnEdit.UPDATE and (
                    match(row.content, row.blob_hash) is not ContentMatch.SAME
                ):
                    await note_updates.ask(transaction, row.id, now)
        await _hold_where_unknown(transaction, account_key, some, now)
    await events.record(transaction, now, *happened)
    return tuple(edited)


async def _waiting(
    transaction: Transaction, account_key: int, wanted: Sequence[str]
) -> Sequence[Row[Any]]:
    """Return what was seen of publications that exist and are not known to be published."""
    rows: Result[Any] = await transaction.execute(
        _waiting_ones(), {"account": account_key, "markers": wanted}
    )
    return rows.all()


@cache
def _waiting_ones() -> Select[Any]:
    given_up = and_(
        publications.c.part_of.is_not(None),
        exists().where(holder.c.id == publications.c.part_of, holder.c.state.in_(GIVEN_UP)),
    )
    alone = and_(
        publications.c.part_of.is_(None), publications.c.state.not_in((PUBLISHED, SENDING))
    )
    return (
        select(
            publications.c.id,
            publications.c.user_key,
            publications.c.revision,
            publications.c.state,
            publications.c.sent_at,
            gist_files.c.gist_id,
            gist_files.c.filename,
            gist_files.c.blob_hash,
            func.coalesce(revisions.c.blob_hash, gist_files.c.blob_hash).label("revision_hash"),
            marker_parts.c.activity_id,
            marker_parts.c.marker,
            marker_parts.c.deal_id,
            marker_parts.c.added_at,
            marker_parts.c.content,
        )
        .select_from(publications)
        .join(
            marker_parts,
            and_(
                marker_parts.c.marker == publications.c.marker,
                marker_parts.c.account_key == _ACCOUNT,
            ),
        )
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .outerjoin(revisions, is_its_revision)
        .where(publications.c.marker.in_(_MARKERS), or_(alone, given_up))
        .order_by(publications.c.id)
        .with_for_update(of=publications)
    )


async def _attach(transaction: Transaction, account_key: int, row: Row[Any], now: datetime) -> bool:
    """Make a publication a part of an activity, or its holder if it has none."""
    found = await transaction.execute(
        select(publications.c.id, gist_files.c.gist_id)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .where(publications.c.activity_id == row.activity_id)
    )
    first = found.one_or_none()
    await transaction.execute(
        delete(marker_parts).where(
            marker_parts.c.account_key == account_key,
            marker_parts.c.activity_id == row.activity_id,
            marker_parts.c.marker == row.marker,
        )
    )
    if first is None:
        await _become_holder(transaction, account_key, row, now)
        return True
    if first.gist_id != row.gist_id or first.id == row.id:
        return False  # ids start again where an account was reset: it is another activity by now
    await join(transaction, row.id, first.id)
    return True


async def join(transaction: Transaction, publication_id: int, held_by: int) -> None:
    """Make a publication and its parts parts of the activity of another one, `held_by`."""
    await transaction.execute(
        update(publications)
        .where(publications.c.id == publication_id)
        .values(parts.values_of(PublicationId(held_by)))
    )
    await transaction.execute(
        update(publications).where(publications.c.part_of == publication_id).values(part_of=held_by)
    )


async def _become_holder(
    transaction: Transaction, account_key: int, row: Row[Any], now: datetime
) -> None:
    await transaction.execute(
        update(publications)
        .where(publications.c.id == row.id)
        .values(
            parts.values_of(PublicationId(row.id))
            | {
                "state": PUBLISHED,
                "part_of": None,
                "activity_id": row.activity_id,
                "deal_id": row.deal_id,
                "published_at": row.added_at or now,
            }
        )
    )
    here = and_(markers.c.account_key == account_key, markers.c.activity_id == row.activity_id)
    names = ["account_key", "activity_id", "marker", "deal_id", "added_at", "content"]
    main = select(*(markers.c[name] for name in names)).where(here, markers.c.duplicate == 0)
    await transaction.execute(insert(marker_parts).from_select(names, main))
    await transaction.execute(delete(markers).where(here, markers.c.duplicate == 0))


async def _hold_where_unknown(
    transaction: Transaction, account_key: int, wanted: Sequence[str], now: datetime
) -> None:
    """Hold the unsent files of a gist if an activity holds unnamed files of it."""
    own = await transaction.execute(_own, {"account": account_key, "markers": wanted})
    for row in own.all():
        of_gist = select(gist_files.c.key).where(gist_files.c.gist_id == GistId(row.gist_id))
        await transaction.execute(
            update(publications)
            .where(
                publications.c.file_key.in_(of_gist),
                publications.c.approved_at.is_(None),
                parts.NEVER_BEGUN,
            )
            .values(
                state=HELD,
                held_because=HeldBecause.ASK,
                reason=WHICH_FILES.format(row.activity_id),
                due_at=now,
                **lease.NO_CLAIM,
            )
        )
