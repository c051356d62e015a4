"""A person's pause of publishing: one row for all replicas, until a time or until it is ended.

It is not one of `pauses`, which are gitpip's own and end when a probe succeeds, when the token
changes or when a person tries again. Its row stays when its time is over: a process whose clock is
fast would end the pause for all others.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update

from gitpip.store import commit_order, events
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.lease import NOW
from gitpip.store.rows import reader
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_status import publishing_pause

PAUSE_ROW = 1


@dataclass(frozen=True)
class PersonsPause:
    """A pause of publishing by a person, with its reason and end. Times are UTC."""

    paused_by: str
    since: datetime
    until: datetime | None
    """None if it lasts until a person ends it."""
    reason: str
    """Empty if none was given."""


_pause = reader(PersonsPause)
_current = select(publishing_pause).where(
    or_(publishing_pause.c.until.is_(None), publishing_pause.c.until > NOW)
)


async def current(transaction: Transaction, now: datetime) -> PersonsPause | None:
    """Return the person's pause in effect at `now`, if there is one."""
    row = (await transaction.execute(_current, {"now": now})).one_or_none()
    return _pause(row) if row else None


async def begin(transaction: Transaction, pause: PersonsPause, now: datetime) -> bool:
    """Pause publishing, or change the pause in effect, which keeps its beginning.

    Return whether that changes anything: a pause with the same end and reason stays as it is.

    No request begins after the commit: the statement that marks a row as being sent checks the
    pause.
    """
    await commit_order.one_at_a_time(transaction, "publishing pause")
    await tell_over(transaction, now)
    before = await current(transaction, now)
    if before and replace(pause, paused_by=before.paused_by, since=before.since) == before:
        return False
    await transaction.execute(delete(publishing_pause))
    await transaction.execute(
        insert(publishing_pause).values(
            id=PAUSE_ROW,
            until=pause.until,
            reason=pause.reason,
            paused_by=pause.paused_by,
            since=before.since if before else pause.since,
        )
    )
    if before is None:
        detail = f"by {pause.paused_by}" + (f": {pause.reason}" if pause.reason else "")
        await events.record(transaction, now, NewEvent(EventKind.PUBLISHING_PAUSED, detail=detail))
    return True


async def end(transaction: Transaction, now: datetime) -> PersonsPause | None:
    """End a person's pause; return it as it was, or None if there was none.

    A running service continues within two seconds: its sweep finds what waits.
    """
    await commit_order.one_at_a_time(transaction, "publishing pause")
    await tell_over(transaction, now)
    before = await current(transaction, now)
    await transaction.execute(delete(publishing_pause))
    if before is not None:
        await events.record(transaction, now, NewEvent(EventKind.PUBLISHING_RESUMED))
    return before


async def any_over(transaction: Transaction, now: datetime) -> bool:
    """Return whether a pause has ended because its time is over, and that was not told yet."""
    found = await transaction.scalar(select(publishing_pause.c.id).where(_is_over(now)))
    return found is not None


async def tell_over(transaction: Transaction, now: datetime) -> None:
    """Tell the end of a pause whose time is over, once."""
    over = update(publishing_pause).where(_is_over(now)).values(end_told_at=now)
    if (await transaction.execute(over)).rowcount:
        await events.record(transaction, now, NewEvent(EventKind.PUBLISHING_RESUMED))


def _is_over(now: datetime) -> ColumnElement[bool]:
    return and_(publishing_pause.c.until <= now, publishing_pause.c.end_told_at.is_(None))
