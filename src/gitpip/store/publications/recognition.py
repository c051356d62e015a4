"""Recognising that a publication that is being added is in Pipedrive already.

An activity with its marker was seen there, and waits for it. If edits count, the activity must also
hold the content: what a former database published may be older than the file is now.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, select

from gitpip.marking import ContentMatch, marker_of, marker_of_content, markers_by_number, match
from gitpip.model import ActivityId, DealId, GistId, OnEdit, PublicationState
from gitpip.store.database import Transaction
from gitpip.store.rows import in_pieces, reader
from gitpip.store.schema import publications
from gitpip.store.schema_accounts import markers

NOT_SENT = (PublicationState.PENDING.value, PublicationState.HELD.value)
"""The states in which nothing was sent yet, and something may be."""


@dataclass(frozen=True)
class Sighting:
    """An activity of ours as a list showed it."""

    activity_id: ActivityId
    marker: str
    deal_id: DealId | None
    added_at: datetime | None
    """The time by Pipedrive's clock."""
    content: str | None = None
    """The tag of its content: see `marking.match`."""
    parts: tuple[tuple[str, str], ...] = ()
    """The markers of the other files that it holds, each with the content tag."""
    unnamed: int = 0
    """The number of other files that it holds without naming them."""
    first_marker: str | None = None
    """The marker of the file's first activity, if a person has had it sent again."""


_sighting = reader(Sighting, besides=("parts", "unnamed"))


@dataclass(frozen=True)
class WantedContent:
    """A content of a gist file to publish."""

    gist_id: GistId
    filename: str
    revision: int
    blob_hash: str
    times: int = 0
    """The number of earlier times at which the file had the same content."""

    @property
    def marker(self) -> str:
        """The marker, unless Pipedrive shows another one."""
        if self.revision == 1:
            return marker_of(self.gist_id, self.filename)
        return self.marker_of_content

    @property
    def marker_of_content(self) -> str:
        """The marker of an edit with this content."""
        return marker_of_content(self.gist_id, self.filename, self.blob_hash, self.times)

    @property
    def markers_of_content(self) -> tuple[str, ...]:
        """All markers that the activity of such an edit can have: at first it was a number."""
        return (self.marker_of_content, *markers_by_number(self.gist_id, self.filename))


@dataclass(frozen=True)
class Recognised:
    """The initial values of a publication."""

    marker: str
    seen: Sighting | None
    """Its activity, if Pipedrive has it already."""
    outdated: bool = False
    """Whether the note of that activity may hold a former content."""
    first_marker: str | None = None
    """The marker of the file's first activity; see `Sighting`."""


async def claim(
    transaction: Transaction, account_key: int, wanted: Sequence[WantedContent], on_edit: OnEdit
) -> tuple[Recognised, ...]:
    """Recognise contents that are being added; their activities no longer wait."""
    kept = await _of_files(transaction, account_key, wanted)
    edits = [one for one in wanted if one.revision > 1 or _is_former(one, kept, on_edit)]
    candidates = {marker for one in edits for marker in one.markers_of_content}
    kept |= await kept_with(transaction, account_key, candidates)
    found = tuple(_recognised(one, kept, on_edit) for one in wanted)
    await take(transaction, account_key, [one.seen.activity_id for one in found if one.seen])
    return found


async def unsent_edits(
    transaction: Transaction, account_key: int, wanted: Collection[WantedContent], on_edit: OnEdit
) -> frozenset[WantedContent]:
    """Return the contents that would be sent as edits: Pipedrive has the file with another one.

    Nothing is claimed: this only counts what would be sent.
    """
    if on_edit is not OnEdit.NEW or not wanted:
        return frozenset()
    kept = await _of_files(transaction, account_key, wanted)
    edits = [one for one in wanted if one.revision == 1 and _is_former(one, kept, on_edit)]
    candidates = {marker for one in edits for marker in one.markers_of_content}
    kept |= await kept_with(transaction, account_key, candidates)
    return frozenset(one for one in edits if of_content(one, kept) is None)


def of_content(one: WantedContent, kept: Mapping[str, Sighting]) -> Sighting | None:
    """Return the activity of an edit: by its marker, or by a number and with the same content."""
    first, *others = (kept.get(marker) for marker in one.markers_of_content)
    if first is not None:
        return first
    same = (
        each for each in others if each and match(each.content, one.blob_hash) is ContentMatch.SAME
    )
    return next(same, None)


def _is_former(one: WantedContent, kept: Mapping[str, Sighting], on_edit: OnEdit) -> bool:
    """Return whether Pipedrive surely has another content of a file, and edits are published."""
    seen = kept.get(one.marker)
    return (
        seen is not None
        and on_edit is OnEdit.NEW
        and match(seen.content, one.blob_hash) is ContentMatch.OTHER
    )


def _recognised(one: WantedContent, kept: Mapping[str, Sighting], on_edit: OnEdit) -> Recognised:
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
    """Return whether the note of an activity may hold another content that must be updated."""
    if seen is None or on_edit is OnEdit.IGNORE:
        return False
    return match(seen.content, blob_hash) is not ContentMatch.SAME


async def _of_files(
    transaction: Transaction, account_key: int, wanted: Collection[WantedContent]
) -> dict[str, Sighting]:
    """Return the activities of these files by their markers, further ones by that of the first."""
    kept = await kept_with(transaction, account_key, {one.marker for one in wanted})
    return await _sent_again_since(transaction, account_key, wanted, kept) | kept


async def _sent_again_since(
    transaction: Transaction,
    account_key: int,
    wanted: Collection[WantedContent],
    kept: Mapping[str, Sighting],
) -> dict[str, Sighting]:
    """Return activities that were sent again, by the marker of the first one, which is deleted."""
    first = {one.marker for one in wanted} - kept.keys()
    found = await further(transaction, account_key, first)
    return {marker: seen[-1] for marker, seen in found.items()}


async def further(
    transaction: Transaction, account_key: int, first: Collection[str]
) -> dict[str, tuple[Sighting, ...]]:
    """Return the activities of files that were sent again which wait for a publication.

    They are returned by the markers of the `first` activities, oldest first.
    """
    found: defaultdict[str, list[Sighting]] = defaultdict(list)
    for some in in_pieces(sorted(first)):
        for seen in await _kept(transaction, account_key, markers.c.first_marker.in_(some)):
            found[seen.first_marker or seen.marker].append(seen)
    return {marker: tuple(seen) for marker, seen in found.items()}


async def kept_with(
    transaction: Transaction, account_key: int, wanted: Collection[str]
) -> dict[str, Sighting]:
    """Return the activities with these markers that wait for a publication."""
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
            # Ids restart if an account was reset: another file can have this one by now.
            ~exists().where(publications.c.activity_id == markers.c.activity_id),
        )
        .order_by(markers.c.activity_id)
    )
    return tuple(map(_sighting, rows))


async def take(
    transaction: Transaction, account_key: int, activity_ids: Sequence[ActivityId]
) -> None:
    """Delete the stored sightings of these activities: they have a publication."""
    for some in in_pieces(activity_ids):
        await transaction.execute(
            delete(markers).where(
                markers.c.account_key == account_key,
                markers.c.activity_id.in_(some),
            )
        )


def was_other_content(row: Row[Any], seen: str | None, on_edit: OnEdit) -> bool:
    """Return whether an unsent file was published with another content before.

    `seen` is the tag of the content that its activity holds. One that this database has sent holds
    its content.
    """
    return (
        on_edit is OnEdit.NEW
        and row.revision == 1
        and row.state in NOT_SENT
        and row.sent_at is None
        and match(seen, row.revision_hash) is ContentMatch.OTHER
    )


def wanted_of(row: Row[Any]) -> WantedContent:
    """Return the content that a stored publication delivers."""
    return WantedContent(GistId(row.gist_id), row.filename, row.revision, row.revision_hash)
