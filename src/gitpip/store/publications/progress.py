"""The progress of publishing, and the time left at the recent pace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, union_all

from gitpip.model import PublicationState, UserKey
from gitpip.store.database import Transaction
from gitpip.store.publications.publications import WAITING, count
from gitpip.store.schema import publications

PACE_MEASURED_OVER = timedelta(minutes=10)
"""The time over which the pace of publishing is measured."""
UNSENT = (*map(PublicationState, WAITING), PublicationState.HELD)


@dataclass(frozen=True)
class PublishingProgress:
    """The progress of publishing a user's files."""

    published: int
    waiting: int
    failed: int
    skipped: int
    held: int
    withdrawn: int
    """Undone by a person."""
    left: timedelta | None
    """The time left at the recent pace; None if no file was published recently."""

    @property
    def total(self) -> int:
        """The number of files that will be in Pipedrive in the end, as far as that is decided."""
        return self.published + self.waiting + self.failed


async def progress(
    transaction: Transaction, user_key: UserKey, now: datetime
) -> PublishingProgress:
    """Return the progress of publishing a user's files."""
    counts = await count(transaction, [user_key])
    waiting = waiting_in(counts)
    left = await time_left(transaction, waiting, now, user_key)
    return PublishingProgress(
        published=counts.get(PublicationState.PUBLISHED, 0),
        waiting=waiting,
        failed=counts.get(PublicationState.FAILED, 0),
        skipped=counts.get(PublicationState.SKIPPED, 0),
        held=counts.get(PublicationState.HELD, 0),
        withdrawn=counts.get(PublicationState.WITHDRAWN, 0),
        left=left,
    )


def waiting_in(counts: Mapping[PublicationState, int]) -> int:
    """Return how many of the counted files wait."""
    return sum(counts.get(PublicationState(state), 0) for state in WAITING)


def unsent(counts: Mapping[PublicationState, int]) -> int:
    """Return how many of the counted files wait, or are held."""
    return sum(counts.get(state, 0) for state in UNSENT)


async def queue_left(transaction: Transaction, now: datetime) -> timedelta | None:
    """Return the time that the whole queue takes, as `time_left` does."""
    return await time_left(transaction, waiting_in(await count(transaction)), now)


async def time_left(
    transaction: Transaction, waiting: int, now: datetime, user_key: UserKey | None = None
) -> timedelta | None:
    """Return the time that `waiting` publications take, of one user or of all, at the recent pace.

    It is at least the time until the last of them is due, which may wait for its next try. None if
    none was published recently, or none waits.
    """
    if not waiting:
        return None
    wanted = [] if user_key is None else [publications.c.user_key == user_key]
    lately, since = (
        await transaction.execute(
            select(
                func.count(),
                func.min(publications.c.published_at, type_=publications.c.published_at.type),
            ).where(publications.c.published_at > now - PACE_MEASURED_OVER, *wanted)
        )
    ).one()
    if not lately:
        return None
    last_due = await _last_due(transaction, wanted)
    at_this_pace: timedelta = (now - since) / lately * waiting
    return max(at_this_pace, last_due - now) if last_due else at_this_pace


async def _last_due(
    transaction: Transaction, wanted: Sequence[ColumnElement[bool]]
) -> datetime | None:
    """Return when the last waiting publication is due.

    A query for each part of the queue's index finds it at its end; one for all would read every
    waiting row.
    """
    due_at = publications.c.due_at
    ends = [
        select(func.max(due_at, type_=due_at.type).label("due_at")).where(
            publications.c.state == state, publications.c.backfill == backfill, *wanted
        )
        for state in WAITING
        for backfill in (False, True)
    ]
    last = union_all(*ends).subquery()
    due: datetime | None = await transaction.scalar(
        select(func.max(last.c.due_at, type_=due_at.type))
    )
    return due
