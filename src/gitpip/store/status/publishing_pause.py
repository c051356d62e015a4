"""A person's pause of publishing: one row, for all replicas, until a time or until it is ended.

It is no pause of `pauses`, which are gitpip's own and end when a probe succeeds, when the token
changes or when somebody tries again.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete, insert, or_, select

from gitpip.store import commit_order, events
from gitpip.store.database import Transaction
from gitpip.store.events import EventKind, NewEvent
from gitpip.store.lease import NOW
from gitpip.store.rows import reader
from gitpip.store.schema_status import publishing_pause

ROW = 1


@dataclass(frozen=True)
class PersonsPause:
    """Who paused publishing, why, and until when. Times are UTC."""

    paused_by: str
    since: datetime
    until: datetime | None
    """None where it lasts until somebody ends it."""
    reason: str
    """Empty where none was given."""


_pause = reader(PersonsPause)
_current = select(publishing_pause).where(
    or_(publishing_pause.c.until.is_(None), publishing_pause.c.until > NOW)
)


async def current(transaction: Transaction, now: datetime) -> PersonsPause | None:
    """A person's pause that holds at `now`, if there is one."""
    row = (await transaction.execute(_current, {"now": now})).one_or_none()
    return _pause(row) if row else None


async def begin(transaction: Transaction, pause: PersonsPause, now: datetime) -> bool:
    """Pause publishing; one that holds already goes on since its own time, as this one says.

    Gives whether that changes anything: one with the same end and reason stays as it is.

    No request begins after the commit: the statement that marks a row as being sent asks for it.
    """
    await commit_order.one_at_a_time(transaction, "publishing pause")
    before = await current(transaction, now)
    if before and replace(pause, paused_by=before.paused_by, since=before.since) == before:
        return False
    await transaction.execute(delete(publishing_pause))
    await transaction.execute(
        insert(publishing_pause).values(
            id=ROW,
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
    """End a person's pause; gives what it was, None where there was none.

    A running service goes on within two seconds: its sweep finds what waits.
    """
    await commit_order.one_at_a_time(transaction, "publishing pause")
    before = await current(transaction, now)
    await transaction.execute(delete(publishing_pause))
    if before is not None:
        await events.record(transaction, now, NewEvent(EventKind.PUBLISHING_RESUMED))
    return before
