"""Recognising what a publication that is being added has in Pipedrive already.

An activity with its marker was seen there, and waits for it. Where edits count, the activity must
also hold the content: what a former database published may be older than the file is now.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, select

from gitpip.marking import Match, marker_of, marker_of_content, markers_by_number, match
from gitpip.model import ActivityId, DealId, GistId, OnEdit, PublicationState
from gitpip.store.database import Transaction
from gitpip.store.rows import in_pieces
from gitpip.store.schema import publications
from gitpip.store.schema_accounts import markers

NOT_SENT = (PublicationState.PENDING.value, PublicationState.HELD.value)
"""States in which nothing was sent yet, and something may be."""


@dataclass(frozen=True)
class Sighting:
    """An activity of ours as a list showed it."""

    activity_id: ActivityId
    marker: str
    deal_id: DealId | None
    added_at: datetime | None
    """The time by Pipedrive's clock."""
    content: str | None = None
    """What it says of its content: see `marking.match`."""
    parts: tuple[tuple[str, str], ...] = ()
    """The markers of the other files that it holds, each with the content tag."""
    unnamed: int = 0
    """How many other files it holds without saying which."""
    first_marker: str | None = None
    """The marker of the file's first activity, where a person has had it sent again."""


@dataclass(frozen=True)
class Wanted:
    """A content of a gist file that is to be published."""

    gist_id: GistId
    filename: str
    revision: int
    blob_hash: str
    times: int = 0
    """How often the file had this very content before."""

    @property
    def marker(self) -> str:
        """The marker, as far as nothing in Pipedrive says otherwise."""
        if self.revision == 1:
            return marker_of(self.gist_id, self.filename)
        return self.marker_of_content

    @property
    def marker_of_content(self) -> str:
        """The marker of an edit with this content."""
        return marker_of_content(self.gist_id, self.filename, self.blob_hash, self.times)

    @property
    def markers_of_content(self) -> tuple[str, ...]:
        """All that an activity of such an edit can have: a number was the mark at first."""
        return (self.marker_of_content, *markers_by_number(self.gist_id, self.filename))


@dataclass(frozen=True)
class Recognised:
    """How a publication begins."""

    marker: str
    seen: Sighting | None
    """Its activity, where Pipedrive has it already."""
    outdated: bool = False
    """Whether the note of that activity may hold a former content."""
    first_marker: str | None = None
    """See `Sighting`."""


async def claim(
    transaction: Transaction, account_key: int, wanted: Sequence[Wanted], on_edit: OnEdit
) -> tuple[Recognised, ...]:
    """Recognise contents that are being added; the activities that they have wait no more."""
    kept = await _of_files(transaction, account_key, wanted)
    edits = [one for one in wanted if one.revision > 1 or _is_former(one, kept, on_edit)]
    candidates = {marker for one in edits for marker in one.markers_of_content}
    kept |= await kept_with(transaction, account_key, candidates)
    found = tuple(_recognised(one, kept, on_edit) for one in wanted)
    await take(transaction, account_key, [one.seen.activity_id for one in found if one.seen])
    return found


async def unsent_edits(
    transaction: Transaction, account_key: int, wanted: Collection[Wanted], on_edit: OnEdit
) -> frozenset[Wanted]:
    """Those contents that would be sent as edits, since Pipedrive has the file with another one.

    Nothing is claimed: it tells beforehand how much would be sent.
    """
    if on_edit is not OnEdit.NEW or not wanted:
        return frozenset()
    kept = await _of_files(transaction, account_key, wanted)
    edits = [one for one in wanted if one.revision == 1 and _is_former(one, kept, on_edit)]
    candidates = {marker for one in edits for marker in one.markers_of_content}
    kept |= await kept_with(transaction, account_key, candidates)
    return frozenset(one for one in edits if of_content(one, kept) is None)


def of_content(one: Wanted, kept: Mapping[str, Sighting]) -> Sighting | None:
    """The activity of an edit: by its marker, or marked by a number and with the same content."""
    first, *others = (kept.get(marker) for marker in one.markers_of_content)
    if first is not None:
        return first
    same = (each for each in others if each and match(each.content, one.blob_hash) is Match.SAME)
    return next(same, None)


def _is_former(one: Wanted, kept: Mapping[str, Sighting], on_edit: OnEdit) -> bool:
    """Whether Pipedrive surely has another content of a file, and edits are published."""
    seen = kept.get(one.marker)
    return (
        seen is not None
        and on_edit is OnEdit.NEW
        and match(seen.content, one.blob_hash) is Match.OTHER
    )


def _recognised(one: Wanted, kept: Mapping[str, Sighting], on_edit: OnEdit) -> Recognised:
    former = one.revision == 1 and _is_former(one, kept, on_edit)
    if one.revision > 1 or former:
        found = of_content(one, kept)
        marker = found.marker if found else one.marker_of_content
        return Recognised(marker, found, first_marker=found.first_marker if found else None)
    seen = kept.get(one.marker)
    return Recognised(
        seen.marker if seen else one.marker,
        seen,
        outdated=is_outdated(seen, one.blob_hash, on_edit),
        first_marker=seen.first_marker if seen else None,
    )


def is_outdated(seen: Sighting | None, blob_hash: str, on_edit: OnEdit) -> bool:
    """Whether the note of an activity may hold another content, where that is to be mended."""
    if seen is None or on_edit is OnEdit.IGNORE:
        return False
    return match(seen.content, blob_hash) is not Match.SAME


async def _of_files(
    transaction: Transaction, account_key: int, wanted: Collection[Wanted]
) -> dict[str, Sighting]:
    """The activities of these files by their markers, further ones by that of the first."""
    kept = await kept_with(transaction, account_key, {one.marker for one in wanted})
    return await _sent_again_since(transaction, account_key, wanted, kept) | kept


async def _sent_again_since(
    transaction: Transaction,
    account_key: int,
    wanted: Collection[Wanted],
    kept: Mapping[str, Sighting],
) -> dict[str, Sighting]:
    """Activities that were sent again, by the marker of the first one, which is gone by now."""
    first = {one.marker for one in wanted} - kept.keys()
    found = await further(transaction, account_key, first)
    return {marker: seen[-1] for marker, seen in found.items()}


async def further(
    transaction: Transaction, account_key: int, first: Collection[str]
) -> dict[str, tuple[Sighting, ...]]:
    """The activities of files that were sent again which wait for a publication, oldest first.

    They are given by the markers of the `first` activities.
    """
    found: defaultdict[str, list[Sighting]] = defaultdict(list)
    for some in in_pieces(sorted(first)):
        for seen in await _kept(transaction, account_key, markers.c.first_marker.in_(some)):
            found[seen.first_marker or seen.marker].append(seen)
    return {marker: tuple(seen) for marker, seen in found.items()}


async def kept_with(
    transaction: Transaction, account_key: int, wanted: Collection[str]
) -> dict[str, Sighting]:
    """The activities with these markers that wait for a publication."""
    found: dict[str, Sighting] = {}
    for some in in_pieces(sorted(wanted)):
        for seen in await _kept(transaction, account_key, markers.c.marker.in_(some)):
            found[seen.marker] = seen
    return found


async def _kept(
    transaction: Transaction, account_key: int, wanted: ColumnElement[bool]
) -> tuple[Sighting, ...]:
    rows = await transaction.execute(
        select(markers)
        .where(
            markers.c.account_key == account_key,
            wanted,
            markers.c.duplicate == 0,
            # Ids begin anew where an account was reset: another file can have this one by now.
            ~exists().where(publications.c.activity_id == markers.c.activity_id),
        )
        .order_by(markers.c.activity_id)
    )
    return tuple(
        Sighting(
            row.activity_id,
            row.marker,
            row.deal_id,
            row.added_at,
            row.content,
            first_marker=row.first_marker,
        )
        for row in rows
    )


async def take(
    transaction: Transaction, account_key: int, activity_ids: Sequence[ActivityId]
) -> None:
    """Stop keeping these activities for later: they have a publication."""
    for some in in_pieces(activity_ids):
        await transaction.execute(
            delete(markers).where(
                markers.c.account_key == account_key,
                markers.c.activity_id.in_(some),
            )
        )


def wanted_of(row: Row[Any]) -> Wanted:
    """The content that a stored publication delivers."""
    return Wanted(GistId(row.gist_id), row.filename, row.revision, row.revision_hash)
