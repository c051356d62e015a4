"""Note updates: notes in Pipedrive that must be rewritten because their file changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Integer, Select, bindparam, delete, func, insert, select, update

from gitpip.model import ActivityId, FileKey, PublicationId, PublicationState, UserKey
from gitpip.modes import PublishingMode
from gitpip.store.database import Transaction
from gitpip.store.lease import NOW
from gitpip.store.publications.being_undone import being_undone
from gitpip.store.publications.permission import Present, of_sent
from gitpip.store.rows import reader
from gitpip.store.schema import note_failed, publications, users
from gitpip.store.schema_publishing import amendments
from gitpip.store.visibility import tracked


@dataclass(frozen=True)
class Amendment:
    """An activity's note that must be rewritten."""

    publication_id: PublicationId
    file_key: FileKey
    revision: int
    user_key: UserKey
    activity_id: ActivityId
    version: int
    """The number of changes requested, so that one that comes meanwhile is not lost."""
    attempts: int = 0
    """The number of failed tries."""
    note_written_at: datetime | None = None
    """The time when gitpip last rewrote the note, by Pipedrive's clock."""


_amendment = reader(Amendment)


async def add(transaction: Transaction, files: Sequence[FileKey], now: datetime) -> None:
    """Request the notes of these files' publications to be rewritten."""
    for key in files:
        ids = await transaction.execute(
            select(publications.c.id).where(publications.c.file_key == key)
        )
        for publication_id in ids.scalars().all():
            await ask(transaction, publication_id, now)


async def ask(transaction: Transaction, publication_id: int, now: datetime) -> None:
    """Request the note of a publication to be rewritten.

    If that was requested already, the time of the first request stays. A part has its holder's
    note.
    """
    of = select(func.coalesce(publications.c.part_of, publications.c.id))
    publication_id = (
        await transaction.scalar(of.where(publications.c.id == publication_id))
    ) or publication_id
    again = await transaction.execute(
        update(amendments)
        .where(amendments.c.publication_id == publication_id)
        .values(version=amendments.c.version + 1, due_at=now, attempts=0)
    )
    if again.rowcount:
        return
    await transaction.execute(
        insert(amendments).values(
            publication_id=publication_id, version=1, due_at=now, asked_at=now
        )
    )


async def due(transaction: Transaction, present: Present, limit: int) -> tuple[Amendment, ...]:
    """Return due note updates of what is in Pipedrive; what is not is sent with its new content.

    Updates that may not be sent now wait.
    """
    values = {"now": present.now, "most": limit}
    return tuple(map(_amendment, await transaction.execute(_due(present.mode), values)))


@cache
def _due(mode: PublishingMode) -> Select[Any]:
    return (
        select(
            amendments.c.publication_id,
            amendments.c.version,
            amendments.c.attempts,
            publications.c.file_key,
            publications.c.revision,
            publications.c.user_key,
            publications.c.activity_id,
            publications.c.note_written_at,
        )
        .join(publications, publications.c.id == amendments.c.publication_id)
        .where(
            amendments.c.due_at <= NOW,
            publications.c.state == PublicationState.PUBLISHED.value,
            of_sent(publications.c.user_key, mode),
            ~being_undone(),
        )
        .order_by(amendments.c.due_at)
        .limit(bindparam("most", type_=Integer))
    )


async def any_due(transaction: Transaction, present: Present) -> bool:
    """Return whether a note waits to be rewritten."""
    return bool(await due(transaction, present, 1))


async def postpone(
    transaction: Transaction,
    amendment: Amendment,
    until: datetime,
    *,
    attempts: int,
    reason: str,
) -> None:
    """Try again later, with this number of attempts; a newer request stays as it is."""
    await transaction.execute(
        update(amendments)
        .where(
            amendments.c.publication_id == amendment.publication_id,
            amendments.c.version == amendment.version,
        )
        .values(due_at=until, attempts=attempts, reason=reason)
    )


async def done(
    transaction: Transaction,
    amendment: Amendment,
    failure: str | None = None,
    *,
    written_at: datetime | None = None,
) -> None:
    """Record that a note is written, or cannot be (`failure`); a newer request stays.

    `written_at` is when that changed the activity, by Pipedrive's clock, if the answer said so.
    """
    await transaction.execute(
        delete(amendments).where(
            amendments.c.publication_id == amendment.publication_id,
            amendments.c.version == amendment.version,
        )
    )
    await transaction.execute(
        update(publications)
        .where(
            publications.c.id == amendment.publication_id,
            # It may have been undone meanwhile.
            publications.c.state == PublicationState.PUBLISHED.value,
        )
        .values(
            reason=failure,
            note_written_at=written_at or publications.c.note_written_at,
        )
    )


async def settle_failed(transaction: Transaction, *, again: bool, now: datetime) -> int:
    """Request `again` the notes that could not be written, or leave them; return their number."""
    left = await transaction.execute(
        update(publications)
        .where(
            note_failed,
            publications.c.user_key.in_(select(users.c.key).where(tracked)),
        )
        .values(reason=None)
        .returning(publications.c.id)
    )
    ids = left.scalars().all()
    if again:
        for publication_id in ids:
            await ask(transaction, publication_id, now)
    return len(ids)
