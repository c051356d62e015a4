"""Times that lie further ahead than they can: a clock was ahead when they were written.

A user whose check is due tomorrow, because the clock was a day ahead for a while, would not be
checked for a day. Such times are set to the latest that they can be.
"""

from datetime import datetime, timedelta

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from gitpip.model import UserState
from gitpip.store.database import Transaction
from gitpip.store.ledger import lock as lock_ledger
from gitpip.store.ledger import note as note_in_ledger
from gitpip.store.publications.publications import WAITING
from gitpip.store.schema import deals, publications, unreadable, users, watched
from gitpip.store.schema_accounts import ledger
from gitpip.store.schema_publishing import amendments, second_deals, second_sends
from gitpip.store.schema_status import pauses

TOLERANCE = timedelta(minutes=15)
"""Clocks of two machines can differ; a time that is too late by less does little harm."""
LONGEST_STORED_WAIT = timedelta(days=1)
"""The longest wait of a user that GitHub does not show, of something unreadable, and of a pause."""
LONGEST_STORED_RETRY = timedelta(hours=7)
"""The longest wait of a delivery, deal or note, with that for absence; see `publish.delivery`."""
LONGEST_WATCH = timedelta(minutes=39)
"""The longest time between two searches for what was sent twice; see `second_sends`."""
LONGEST_HOLD = timedelta(minutes=5)
"""The longest hold of everything while more may be on its way into the ledger; see `publish.adopt`.
"""
OF_PUBLISHING: tuple[tuple[Column[datetime], timedelta, ColumnElement[bool] | None], ...] = (
    (publications.c.due_at, LONGEST_STORED_RETRY, publications.c.state.in_(WAITING)),
    (deals.c.due_at, LONGEST_STORED_RETRY, deals.c.state.in_(WAITING)),
    (amendments.c.due_at, LONGEST_STORED_RETRY, None),
    (second_sends.c.due_at, LONGEST_WATCH, None),
    (second_deals.c.due_at, LONGEST_WATCH, None),
    (ledger.c.acknowledged_at, timedelta(0), None),
)
"""The times of publishing, and how far ahead each can lie."""


async def any_too_late(transaction: Transaction, *, now: datetime, interval: timedelta) -> bool:
    """Return whether any such time exists; `interval` is the general one between two checks."""
    sqlite = transaction.dialect.name == "sqlite"
    return bool(
        await transaction.scalar(
            select(
                or_(
                    exists().where(_due_too_late(now, interval, sqlite)),
                    exists().where(_paused_too_long(now)),
                    *(exists().where(wanted) for _, wanted in _publishing_too_late(now)),
                    exists().where(ledger.c.hold_until > now + LONGEST_HOLD + TOLERANCE),
                )
            )
        )
    )


async def set_back(transaction: Transaction, *, now: datetime, interval: timedelta) -> int:
    """Set every such time to the latest that it can be; return the number of users changed."""
    await lock_ledger(transaction)
    sqlite = transaction.dialect.name == "sqlite"
    next_check_at = case((users.c.check_interval.is_(None), now + interval), else_=now)
    changed = await transaction.execute(
        update(users)
        .where(_due_too_late(now, interval, sqlite))
        .values(next_check_at=next_check_at)
    )
    latest = now + TOLERANCE
    await transaction.execute(update(users).where(users.c.hinted_at > latest).values(hinted_at=now))
    await transaction.execute(
        update(users)
        .where(users.c.claimed_until > latest)
        .values(claimed_by=None, claimed_until=None)
    )
    await transaction.execute(
        update(unreadable)
        .where(unreadable.c.next_try_at > latest + LONGEST_STORED_WAIT)
        .values(next_try_at=now)
    )
    await transaction.execute(update(pauses).where(_paused_too_long(now)).values(until=now))
    for column, wanted in _publishing_too_late(now):
        await transaction.execute(update(column.table).where(wanted).values({column.name: now}))
    await note_in_ledger(transaction, times_set_back_at=now)
    # What the hold waits for may still be on its way.
    await transaction.execute(
        update(ledger)
        .where(ledger.c.hold_until > now + LONGEST_HOLD + TOLERANCE)
        .values(hold_until=now + LONGEST_HOLD)
    )
    return changed.rowcount


def _due_too_late(now: datetime, interval: timedelta, sqlite: bool) -> ColumnElement[bool]:
    usual = round(interval.total_seconds())
    own = func.coalesce(type_coerce(users.c.check_interval, Integer), usual)
    a_day = round(LONGEST_STORED_WAIT.total_seconds())
    unavailable = users.c.state == UserState.UNAVAILABLE
    longest = case((and_(unavailable, own < a_day), a_day), else_=own)
    at = literal(now, users.c.next_check_at.type)
    ahead = (
        (func.julianday(users.c.next_check_at) - func.julianday(at)) * a_day
        if sqlite
        else func.extract("epoch", users.c.next_check_at - at)
    )
    shortest = min(interval, LONGEST_STORED_WAIT)
    return and_(
        watched,
        users.c.next_check_at > now + shortest + TOLERANCE,  # an index has these few
        ahead > longest + TOLERANCE.total_seconds(),
    )


def _publishing_too_late(
    now: datetime,
) -> list[tuple[Column[datetime], ColumnElement[bool]]]:
    return [
        (column, and_(column > now + longest + TOLERANCE, *([] if of is None else [of])))
        for column, longest, of in OF_PUBLISHING
    ]


def _paused_too_long(now: datetime) -> ColumnElement[bool]:
    return and_(
        pauses.c.until > now,
        or_(
            pauses.c.since > now + TOLERANCE,
            pauses.c.until > now + LONGEST_STORED_WAIT + TOLERANCE,
        ),
    )
