"""Parts: publications whose file is in the activity of another publication of the same gist.

That other one, the holder, is claimed, sent and searched for; `part_of` names it. It is set in the
transaction that first marks the holder as being sent. So the files of an activity are chosen before
its first request, and do not change. The state of a part's own row is `skipped`: nothing sends it,
and what is shown of it is read from its holder's row.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from gitpip.model import FileKey, Publication, PublicationId, PublicationState
from gitpip.store import lease
from gitpip.store.database import Transaction
from gitpip.store.publications.being_undone import being_undone
from gitpip.store.publications.permission import Present, may_be_sent_to, of_asking
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, publications, users
from gitpip.store.schema_publishing import holder

MAX_FILES = 50
"""The most files of one activity: each takes room in the note and its footer."""
READ_AT_ONCE = 1_000
NEVER_BEGUN = and_(
    publications.c.revision == 1,
    publications.c.state == PublicationState.PENDING.value,
    publications.c.sent_at.is_(None),
    publications.c.part_of.is_(None),
)
"""The condition that a file can be sent with others of its gist: an edit has its own activity."""


@dataclass(frozen=True)
class ActivityPart:
    """A file in an activity."""

    id: PublicationId
    file_key: FileKey
    revision: int
    marker: str
    first_marker: str | None


_part = reader(ActivityPart)
_columns = (
    publications.c.id,
    publications.c.file_key,
    publications.c.revision,
    publications.c.marker,
    publications.c.first_marker,
)


async def siblings(
    transaction: Transaction, ids: Collection[int], present: Present
) -> tuple[int, ...]:
    """Lock and return what else of these publications' gists can be claimed and was never sent.

    The rows are locked as those of a claim are.
    """
    of_gists = (
        select(gist_files.c.gist_id)
        .join(publications, publications.c.file_key == gist_files.c.key)
        .where(publications.c.id.in_(ids), NEVER_BEGUN)
    )
    gist_ids = (await transaction.execute(of_gists)).scalars().all()
    found = await transaction.execute(
        select(publications.c.id)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .join(users, users.c.key == publications.c.user_key)
        .where(
            gist_files.c.gist_id.in_(gist_ids),
            NEVER_BEGUN,
            may_be_sent_to(users, present.mode),
            publications.c.due_at <= present.now,
            lease.is_free(publications.c.lease_until, present.now),
            ~being_undone(),
            publications.c.id.not_in(ids),
        )
        .order_by(publications.c.id)
        .limit(READ_AT_ONCE)
        .with_for_update(skip_locked=True, of=publications)
    )
    return tuple(found.scalars())


async def lock_claimed(
    transaction: Transaction, claims: Sequence[Publication], present: Present
) -> bool:
    """Lock the rows of these claims of one user, in order; return whether all may be begun."""
    rows = (
        select(publications.c.id)
        .where(
            publications.c.id.in_([claim.id for claim in claims]),
            publications.c.token == claims[0].token,
            lease.lasts(publications.c.lease_until, present.now),
            ~being_undone(),
            NEVER_BEGUN,
            or_(
                publications.c.approved_at.is_not(None),
                ~of_asking(publications.c.user_key, present.mode),
            ),
        )
        .order_by(publications.c.id)
        .with_for_update()
    )
    return len((await transaction.execute(rows)).all()) == len(claims)


async def bind(
    transaction: Transaction, held_by: PublicationId, some: Sequence[Publication], present: Present
) -> None:
    """Make these parts of a publication; call `lock_claimed` first."""
    await transaction.execute(
        update(publications)
        .where(publications.c.id.in_([part.id for part in some]))
        .values(sent_at=present.now, **values_of(held_by))
    )


def values_of(held_by: PublicationId) -> dict[str, Any]:
    """Return the values that make a row a part of a publication."""
    return {
        "state": PublicationState.SKIPPED.value,
        "part_of": held_by,
        "activity_id": None,
        "published_at": None,
        "reason": None,
        "held_because": None,
        **lease.NO_CLAIM,
        "activity_lost_at": None,
    }


async def of(transaction: Transaction, held_by: PublicationId) -> tuple[ActivityPart, ...]:
    """Return the parts of a publication, in their order."""
    rows = await transaction.execute(
        select(*_columns).where(publications.c.part_of == held_by).order_by(publications.c.id)
    )
    return tuple(map(_part, rows))


async def shown_with(
    transaction: Transaction, file_key: FileKey, revision: int, *, per_gist: bool
) -> tuple[ActivityPart, ...]:
    """Return the files in the activity of a file's revision, the holder first.

    Empty if it is not published. With `per_gist`, what was never sent is shown with the other
    waiting files of its gist.
    """
    mine = select(*_columns, publications.c.part_of, gist_files.c.gist_id, _can_be_joined())
    row = (
        await transaction.execute(
            mine.join(gist_files, gist_files.c.key == publications.c.file_key).where(
                publications.c.file_key == file_key, publications.c.revision == revision
            )
        )
    ).one_or_none()
    if row is None:
        return ()
    if row.can_be_joined and per_gist:
        rows = await transaction.execute(
            select(*_columns)
            .join(gist_files, gist_files.c.key == publications.c.file_key)
            .where(gist_files.c.gist_id == row.gist_id, NEVER_BEGUN)
            .order_by(publications.c.id)
        )
        everything = tuple(map(_part, rows))
        place = (
            next(n for n, each in enumerate(everything) if each.id == row.id)
            // MAX_FILES
            * MAX_FILES
        )
        return everything[place : place + MAX_FILES]
    first = row.part_of or row.id
    rows = await transaction.execute(select(*_columns).where(publications.c.id == first))
    return (*map(_part, rows), *await of(transaction, PublicationId(first)))


def _can_be_joined() -> ColumnElement[bool]:
    return NEVER_BEGUN.label("can_be_joined")


async def count(
    transaction: Transaction, *wanted: ColumnElement[bool]
) -> dict[PublicationState, int]:
    """Return how many parts are in each state: in that of their holder."""
    rows = await transaction.execute(
        select(holder.c.state, func.count())
        .select_from(publications.join(holder, holder.c.id == publications.c.part_of))
        .where(*wanted)
        .group_by(holder.c.state)
    )
    return {PublicationState(state): number for state, number in rows}
