"""The state of reading GitHub's list of all public gists."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, literal, select, update

from gitpip.model import GistId
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_status import public_feed

FEED_ROW = 1
ETAG_LIMIT = 300


@dataclass(frozen=True)
class PublicFeedState:
    """The state of reading the public feed. Times are UTC."""

    etag: str | None
    seen: Mapping[GistId, datetime]
    """The gists of the first page as last read, each with the time of its last update."""
    read_at: datetime
    gaps: int = 0
    """The number of times at which gists may have been missed between two readings."""
    gap_at: datetime | None = None
    hints: int = 0
    """The number of checks of a tracked user that the feed has caused."""
    failure: str | None = None
    """The reason why it could not be read the last time; None if it could."""
    failing_since: datetime | None = None


_state = reader(PublicFeedState)


async def get(transaction: Transaction) -> PublicFeedState | None:
    """Return the state of the reading; None before the first success."""
    state = await status(transaction)
    never_read = state is not None and state.etag is None and not state.seen
    return None if never_read else state


async def status(transaction: Transaction) -> PublicFeedState | None:
    """Return the state as `get` does, but also if only failures are known so far."""
    row = (
        await transaction.execute(select(public_feed).where(public_feed.c.id == FEED_ROW))
    ).one_or_none()
    return _state(row) if row else None


async def failed(transaction: Transaction, reason: str, now: datetime) -> None:
    """Record that the feed could not be read."""
    since = func.coalesce(
        public_feed.c.failing_since, literal(now, public_feed.c.failing_since.type)
    )
    known = await transaction.execute(
        update(public_feed)
        .where(public_feed.c.id == FEED_ROW)
        .values(failure=reason, failing_since=since)
    )
    if not known.rowcount:
        await transaction.execute(
            insert(public_feed).values(
                id=FEED_ROW, seen={}, read_at=now, failure=reason, failing_since=now
            )
        )


async def worked(transaction: Transaction) -> None:
    """Record that the feed can be read, with nothing new in it."""
    await transaction.execute(
        update(public_feed)
        .where(public_feed.c.id == FEED_ROW)
        .values(failure=None, failing_since=None)
    )


async def save(transaction: Transaction, state: PublicFeedState) -> None:
    """Record the state of the reading."""
    values = {
        "etag": state.etag if len(state.etag or "") <= ETAG_LIMIT else None,
        "seen": state.seen,
        "read_at": state.read_at,
        "gaps": state.gaps,
        "gap_at": state.gap_at,
        "hints": state.hints,
        "failure": None,
        "failing_since": None,
    }
    known = await transaction.execute(
        update(public_feed).where(public_feed.c.id == FEED_ROW).values(values)
    )
    if not known.rowcount:
        await transaction.execute(insert(public_feed).values(id=FEED_ROW, **values))
