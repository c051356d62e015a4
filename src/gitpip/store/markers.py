"""Activities of ours that were seen in Pipedrive: the ledger takes in what it did not know.

An activity is found by its marker, which follows from the gist file and its revision. Where the
publication does not exist yet, as in a new database, the activity is kept, and the publication is
born as published.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Result, Row, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.model import ActivityId, DealId, PublicationId, PublicationState, UserKey
from gitpip.store import ledger
from gitpip.store.schema import deals, doubles, gist_files, publications, users
from gitpip.store.schema_accounts import markers
from gitpip.store.visible import tracked

Item = TypeVar("Item")

AT_A_TIME = 500


@dataclass(frozen=True)
class Sighting:
    """An activity of ours as a list showed it."""

    activity_id: ActivityId
    marker: str
    deal_id: DealId | None
    added_at: datetime | None
    """By Pipedrive's clock."""


@dataclass(frozen=True)
class Adopted:
    """A publication that the ledger did not know to be in Pipedrive."""

    publication_id: PublicationId
    login: str
    filename: str
    activity_id: ActivityId
    deal_id: DealId | None
    removed: bool
    """Whether its user is tracked no more, so that nothing of it may be shown."""


@dataclass(frozen=True)
class TakenIn:
    """What some sightings told the ledger."""

    adopted: tuple[Adopted, ...] = ()
    kept: int = 0
    """Activities of which no publication exists yet."""
    duplicates: int = 0
    """Activities with the marker of another one."""
    known: int = 0
    unknown: tuple[Sighting, ...] = ()
    """Those that the ledger did not expect: what it sent in vain may well have landed late."""

    def __add__(self, other: "TakenIn") -> "TakenIn":
        return TakenIn(
            self.adopted + other.adopted,
            self.kept + other.kept,
            self.duplicates + other.duplicates,
            self.known + other.known,
            self.unknown + other.unknown,
        )


async def take_in(
    transaction: AsyncConnection,
    account_key: int,
    sightings: Sequence[Sighting],
    now: datetime,
    *,
    write: bool = True,
) -> TakenIn:
    """Adopt what the ledger did not know to be in Pipedrive; without `write`, only tell what.

    Of several activities with one marker the first sighting counts, and the others are reported.
    """
    if write:
        await ledger.lock(transaction)
    told = TakenIn()
    for some in _in_pieces(sightings):
        told += await _take_in(transaction, account_key, some, now, write=write)
    return told


async def _take_in(
    transaction: AsyncConnection,
    account_key: int,
    sightings: Sequence[Sighting],
    now: datetime,
    *,
    write: bool,
) -> TakenIn:
    wanted = {sighting.marker for sighting in sightings}
    rows = await _publications(transaction, wanted, lock=write)
    kept = await _kept(transaction, account_key, sightings)
    taken: dict[str, int] = {}
    for marker, row in rows.items():
        if row.state == PublicationState.PUBLISHED.value:
            taken[marker] = row.activity_id
    for row in sorted(kept, key=lambda row: row.duplicate):
        taken.setdefault(row.marker, row.activity_id)
    seen = {row.activity_id for row in kept} | await _published(transaction, sightings)
    seen |= await _deleted_by_us(transaction, sightings)
    adopted: list[tuple[Row[Any], Sighting]] = []
    new: list[tuple[Sighting, bool]] = []
    known = 0
    for sighting in sightings:
        publication = rows.get(sighting.marker)
        # What is being sent is left to its sender, who looks for it if the answer is lost.
        being_sent = publication and publication.state == PublicationState.SENDING.value
        if sighting.activity_id in seen or being_sent:
            known += 1
        elif sighting.marker in taken:
            if taken[sighting.marker] == sighting.activity_id:
                known += 1
            else:
                new.append((sighting, True))
        else:
            taken[sighting.marker] = sighting.activity_id
            if publication is None:
                new.append((sighting, False))
            else:
                adopted.append((publication, sighting))
    if write:
        await _adopt(transaction, adopted, now)
        await _keep(transaction, account_key, new, now)
    return TakenIn(
        adopted=tuple(
            Adopted(
                PublicationId(row.id),
                row.login,
                row.filename,
                sighting.activity_id,
                sighting.deal_id,
                removed=row.removed_at is not None,
            )
            for row, sighting in adopted
        ),
        kept=sum(not duplicate for _, duplicate in new),
        duplicates=sum(duplicate for _, duplicate in new),
        known=known,
        unknown=tuple(sighting for row, sighting in adopted if row.sent_at is None)
        + tuple(sighting for sighting, duplicate in new if not duplicate),
    )


async def _publications(
    transaction: AsyncConnection, wanted: Collection[str], *, lock: bool
) -> dict[str, Row[Any]]:
    found = (
        select(
            publications.c.id,
            publications.c.marker,
            publications.c.state,
            publications.c.activity_id,
            publications.c.sent_at,
            publications.c.user_key,
            users.c.login,
            users.c.removed_at,
            gist_files.c.filename,
        )
        .join(users, users.c.key == publications.c.user_key)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .where(publications.c.marker.in_(wanted))
        .order_by(publications.c.id)
    )
    rows: Result[Any] = await transaction.execute(
        found.with_for_update(of=publications) if lock else found
    )
    return {row.marker: row for row in rows}


async def _published(transaction: AsyncConnection, sightings: Sequence[Sighting]) -> set[int]:
    """The activities that publications have, whatever a person made of their markers since."""
    ids = [sighting.activity_id for sighting in sightings]
    found = await transaction.execute(
        select(publications.c.activity_id).where(publications.c.activity_id.in_(ids))
    )
    return set(found.scalars())


async def _deleted_by_us(transaction: AsyncConnection, sightings: Sequence[Sighting]) -> set[int]:
    """Second activities that gitpip deleted: a list that is behind may still show them."""
    ids = [sighting.activity_id for sighting in sightings]
    found = await transaction.execute(
        select(doubles.c.activity_id).where(
            doubles.c.activity_id.in_(ids), doubles.c.reason.is_(None)
        )
    )
    return set(found.scalars())


async def _kept(
    transaction: AsyncConnection, account_key: int, sightings: Sequence[Sighting]
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
    transaction: AsyncConnection, adopted: Sequence[tuple[Row[Any], Sighting]], now: datetime
) -> None:
    deals_of: defaultdict[UserKey, Counter[DealId]] = defaultdict(Counter)
    for row, sighting in adopted:
        await transaction.execute(
            update(publications)
            .where(publications.c.id == row.id)
            .values(
                state=PublicationState.PUBLISHED.value,
                activity_id=sighting.activity_id,
                deal_id=sighting.deal_id,
                published_at=sighting.added_at or now,
                due_at=now,
                reason=None,
                token=None,
                lease_until=None,
            )
        )
        if sighting.deal_id is not None:
            deals_of[UserKey(row.user_key)][sighting.deal_id] += 1
    for user_key, counted in sorted(deals_of.items()):
        await adopt_deal(transaction, user_key, counted, now)


async def adopt_deal(
    transaction: AsyncConnection, user_key: UserKey, found: Counter[DealId], now: datetime
) -> None:
    """Give a user without a deal the one that holds most of these activities of the user's.

    A deal that belongs to another user is not taken.
    """
    present = (
        await transaction.execute(
            select(deals.c.state).where(deals.c.user_key == user_key).with_for_update()
        )
    ).one_or_none()
    if present and present.state in {
        PublicationState.PUBLISHED.value,
        PublicationState.SENDING.value,
    }:
        return
    taken = set(
        (
            await transaction.execute(
                select(deals.c.deal_id).where(
                    deals.c.deal_id.in_(list(found)), deals.c.user_key != user_key
                )
            )
        ).scalars()
    )
    free = [(-number, deal_id) for deal_id, number in found.items() if deal_id not in taken]
    if not free:
        return
    values = {
        "state": PublicationState.PUBLISHED.value,
        "deal_id": min(free)[1],
        "due_at": now,
        "reason": None,
        "token": None,
        "lease_until": None,
    }
    if present:
        await transaction.execute(
            update(deals).where(deals.c.user_key == user_key).values(**values)
        )
    else:
        await transaction.execute(insert(deals).values(user_key=user_key, **values))


async def _keep(
    transaction: AsyncConnection,
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
                "duplicate": int(duplicate),
            }
            for sighting, duplicate in new
        ],
    )


async def claim(
    transaction: AsyncConnection, account_key: int, wanted: Sequence[str]
) -> dict[str, Sighting]:
    """Take the kept activities with these markers, for publications that are being added."""
    found: dict[str, Sighting] = {}
    for some in _in_pieces(wanted):
        rows = await transaction.execute(
            delete(markers)
            .where(
                markers.c.account_key == account_key,
                markers.c.marker.in_(some),
                markers.c.duplicate == 0,
            )
            .returning(
                markers.c.activity_id, markers.c.marker, markers.c.deal_id, markers.c.added_at
            )
        )
        for row in rows:
            found[row.marker] = Sighting(
                ActivityId(row.activity_id),
                row.marker,
                None if row.deal_id is None else DealId(row.deal_id),
                row.added_at,
            )
    return found


@dataclass(frozen=True)
class Duplicate:
    """An activity with the marker of a publication that has another one."""

    activity_id: ActivityId
    marker: str
    deal_id: DealId | None
    published_as: ActivityId | None
    """The activity that the publication has; None where there is no publication."""
    login: str | None
    filename: str | None
    seen_at: datetime


async def duplicates(
    transaction: AsyncConnection, account_key: int, limit: int, *, after: int = 0
) -> tuple[Duplicate, ...]:
    """Activities with a marker that another one has, too; the oldest first, `after` an id.

    Those of users who were removed are left out.
    """
    rows = await transaction.execute(
        select(
            markers,
            publications.c.activity_id.label("published_as"),
            users.c.login,
            gist_files.c.filename,
        )
        .outerjoin(publications, publications.c.marker == markers.c.marker)
        .outerjoin(users, users.c.key == publications.c.user_key)
        .outerjoin(gist_files, gist_files.c.key == publications.c.file_key)
        .where(
            markers.c.account_key == account_key,
            markers.c.duplicate == 1,
            markers.c.activity_id > after,
            tracked,
        )
        .order_by(markers.c.activity_id)
        .limit(limit)
    )
    return tuple(
        Duplicate(
            ActivityId(row.activity_id),
            row.marker,
            None if row.deal_id is None else DealId(row.deal_id),
            None if row.published_as is None else ActivityId(row.published_as),
            row.login,
            row.filename,
            row.seen_at,
        )
        for row in rows
    )


async def waiting(transaction: AsyncConnection, account_key: int) -> int:
    """How many activities are kept until their publication exists."""
    number = await transaction.scalar(
        select(func.count()).where(markers.c.account_key == account_key, markers.c.duplicate == 0)
    )
    return number or 0


async def settle_duplicates(
    transaction: AsyncConnection,
    account_key: int,
    some: Sequence[Duplicate],
    present: Collection[ActivityId],
) -> None:
    """Forget the duplicates whose activity is gone, or whose publication's other one is.

    `present` are those activities, of both kinds, that Pipedrive still has.
    """
    await ledger.lock(transaction)
    for one in some:
        original_gone = one.published_as is not None and one.published_as not in present
        is_the_original = one.activity_id == one.published_as
        if one.activity_id in present and not original_gone and not is_the_original:
            continue
        await transaction.execute(
            delete(markers).where(
                markers.c.account_key == account_key, markers.c.activity_id == one.activity_id
            )
        )
        if one.activity_id in present and not is_the_original:
            await transaction.execute(
                update(publications)
                .where(
                    publications.c.marker == one.marker,
                    publications.c.activity_id == one.published_as,
                )
                .values(activity_id=one.activity_id, deal_id=one.deal_id)
            )


async def forget(transaction: AsyncConnection, marker: str, activity_ids: Collection[int]) -> None:
    """Forget what was seen of these activities of one marker: one of them was deleted."""
    await transaction.execute(
        delete(markers).where(
            markers.c.marker == marker, markers.c.activity_id.in_(list(activity_ids))
        )
    )


def _in_pieces(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), AT_A_TIME):
        yield items[start : start + AT_A_TIME]
