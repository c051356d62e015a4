"""Pauses of watching and publishing: their reasons and ends, and how one ends.

The beginning and the end of a pause are told as events, each once. The end is told in the
transaction in which a person, another token or a success ends the pause. If its time passes and
nothing is asked of the vendor, the end is told after `CONTINUED_WITHIN`. A row whose end has been
told has no `since`; it stays until a request succeeds.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import ColumnElement, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from gitpip.clock import utc_now
from gitpip.model import Pause, PauseCause, PublicationState
from gitpip.store import events, ledger
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.locking import in_order
from gitpip.store.publications.deals import end_waits
from gitpip.store.rows import reader
from gitpip.store.schema import deals, publications
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_status import pauses

Pausable = Literal["watching", "sweeping", "reading", "publishing", "examining"]
PUBLISHING: Final = "publishing"
WATCHING: Final = "watching"
SWEEPING: Final = "sweeping"
"""Asking GraphQL about many users at once; during this pause all users are checked by REST."""
READING: Final = "reading"
"""Reading what is new; telling unchanged users from the others continues."""
EXAMINING: Final = "examining"
"""Examining files for credentials; during this pause no file and no note is sent."""

PAUSABLE: tuple[Pausable, ...] = (WATCHING, SWEEPING, READING, PUBLISHING, EXAMINING)
STOPS_WATCHING: tuple[Pausable, ...] = (WATCHING, READING)
"""The pauses during which no new gists are read."""
STOPS_PUBLISHING: tuple[Pausable, ...] = (PUBLISHING, EXAMINING)
"""The pauses during which nothing is sent."""
PAUSED: Mapping[str, EventKind] = {
    WATCHING: EventKind.WATCHING_PAUSED,
    SWEEPING: EventKind.SWEEPING_PAUSED,
    READING: EventKind.READING_PAUSED,
    PUBLISHING: EventKind.PUBLISHING_PAUSED,
    EXAMINING: EventKind.EXAMINING_PAUSED,
}
"""The event for each pause that begins."""
RESUMED: Mapping[str, EventKind] = {
    WATCHING: EventKind.WATCHING_RESUMED,
    SWEEPING: EventKind.SWEEPING_RESUMED,
    READING: EventKind.READING_RESUMED,
    PUBLISHING: EventKind.PUBLISHING_RESUMED,
    EXAMINING: EventKind.EXAMINING_RESUMED,
}
"""The event for each pause that ends."""
ROUNDING = timedelta(seconds=1)
"""A refused row is put off to the end of the pause, by a clock read a moment later."""
CONTINUED_WITHIN = timedelta(minutes=5)
"""A pause that follows another within this time is the same trouble continued."""
_pause = reader(Pause)
_by_name = select(pauses).where(pauses.c.name == bindparam("wanted"))
_not_of_others = _by_name.where(
    or_(pauses.c.credential.is_(None), pauses.c.credential == bindparam("token"))
)
"""Built once: the publisher runs this query before each request."""


async def pause(
    transaction: Transaction,
    name: str,
    why: Pause,
    *,
    credential: str | None = None,
    now: datetime | None = None,
) -> None:
    """Stop all publishing or watching until a time, for a reason. The row keeps when it began.

    `credential` is the fingerprint of the token that was refused or used up, if that is the reason.
    `now` (UTC) is the present time, the clock's if not given.
    """
    now = now or utc_now()
    values = {
        "until": why.until,
        "reason": why.reason,
        "credential": credential,
        "cause": why.cause,
        "unreachable": why.unreachable,
    }
    last = await _locked(transaction, name)
    while last is None:
        try:
            async with transaction.begin_nested():
                await transaction.execute(insert(pauses).values(name=name, since=now, **values))
            break
        except IntegrityError:
            # Another process has inserted the row and recorded the event: this pause continues it.
            last = await _locked(transaction, name)
    begins = last is None or last.since is None or last.until <= now - CONTINUED_WITHIN
    if last is not None:
        if begins and last.since is not None:
            await events.record(transaction, now, NewEvent(RESUMED[name]))
        since = now if begins else last.since or now
        await transaction.execute(
            update(pauses).where(pauses.c.name == name).values(since=since, **values)
        )
    if begins:
        await events.record(transaction, now, NewEvent(PAUSED[name], detail=why.reason))


async def _locked(transaction: Transaction, name: str) -> Pause | None:
    """Return the last pause of this name, its row locked until the transaction ends."""
    row = (
        await transaction.execute(select(pauses).where(pauses.c.name == name).with_for_update())
    ).one_or_none()
    return _pause(row) if row else None


async def end_pauses(
    transaction: Transaction, names: Collection[str], now: datetime
) -> tuple[str, ...]:
    """End those of these pauses that GitHub did not ask for; return their names.

    Their rows stay until a request succeeds, which is why only one request is sent at first. A
    pause that follows is a new one. Rows that a pause of publishing put off to its end are due at
    `now`. Deals that cannot be made for now are part of publishing: their waits end too.
    """
    if PUBLISHING in names:
        await ledger.lock(transaction)
    can_be_ended = (
        pauses.c.name.in_(names),
        pauses.c.until > now,
        or_(pauses.c.name.in_(STOPS_PUBLISHING), pauses.c.cause != PauseCause.RATE_LIMIT),
    )
    rows = await transaction.execute(
        select(pauses.c.name, pauses.c.until).where(*can_be_ended).with_for_update()
    )
    ended = {row.name: row.until for row in rows}
    await transaction.execute(update(pauses).where(*can_be_ended).values(until=now, since=None))
    await events.record(transaction, now, *(NewEvent(RESUMED[name]) for name in ended))
    if until := ended.get(PUBLISHING):
        for table in (publications, deals):
            put_off = (
                table.c.state == PublicationState.PENDING,
                table.c.token.is_(None),
                table.c.due_at.between(now, until + ROUNDING),
            )
            wanted = (in_order(*put_off),) if table is publications else put_off
            await transaction.execute(update(table).where(*wanted).values(due_at=now))
    if PUBLISHING in names and await end_waits(transaction, now) and PUBLISHING not in ended:
        return (*ended, PUBLISHING)
    return tuple(ended)


async def resume(transaction: Transaction, name: str, now: datetime | None = None) -> None:
    """Delete a pause, also one whose time is over."""
    await _forget(transaction, now or utc_now(), pauses.c.name == name)


async def resume_with(
    transaction: Transaction, names: Collection[str], credential: str
) -> tuple[str, ...]:
    """End those of these pauses that another token than `credential` caused; return their names.

    Also those that a publishing setting caused: another account, or another environment, may fit
    it.
    """
    others = or_(pauses.c.credential != credential, pauses.c.cause == PauseCause.SETTING)
    return await _forget(transaction, utc_now(), pauses.c.name.in_(names), others)


async def paused(
    transaction: Transaction, name: str, now: datetime, *, credential: str | None = None
) -> Pause | None:
    """Return the pause in effect at `now`, if any; none that another token caused."""
    last = await last_pause(transaction, name, credential=credential)
    return last if last and last.until > now else None


async def pauses_now(transaction: Transaction, now: datetime) -> dict[str, Pause]:
    """Return every pause in effect at `now`, by name."""
    rows = await transaction.execute(select(pauses).where(pauses.c.until > now))
    return {row.name: _pause(row) for row in rows}


async def last_pause(
    transaction: Transaction, name: str, *, credential: str | None = None
) -> Pause | None:
    """Return the pause of this name, also one that is over but was not ended by a success.

    With `credential`, none that another token than this one caused.
    """
    query = _by_name if credential is None else _not_of_others
    values = {"wanted": name, "token": credential}
    row = (await transaction.execute(query, values)).one_or_none()
    return _pause(row) if row else None


async def is_tried(transaction: Transaction, name: str, now: datetime) -> bool:
    """Return whether a pause is over, and no request has shown yet whether that was too early."""
    last = await last_pause(transaction, name)
    return last is not None and last.until <= now


async def checks_held_up(transaction: Transaction, now: datetime) -> Pause | None:
    """Return the pause that prevents every check, if any.

    Without GraphQL users are checked by REST, and the other way round: one of them is enough.
    """
    if pause := await paused(transaction, WATCHING, now):
        return pause
    sweeping = await paused(transaction, SWEEPING, now)
    reading = await paused(transaction, READING, now)
    return min(sweeping, reading, key=lambda pause: pause.until) if sweeping and reading else None


async def clear_pause(transaction: Transaction, name: str, now: datetime) -> None:
    """Delete a pause that is over."""
    await _forget(transaction, now, pauses.c.name == name, pauses.c.until <= now)


async def any_over(transaction: Transaction, now: datetime) -> bool:
    """Return whether the end of a pause has to be told: see `tell_over`."""
    found = await transaction.scalar(select(pauses.c.name).where(*_is_over(now)).limit(1))
    return found is not None


async def tell_over(transaction: Transaction, now: datetime) -> None:
    """Tell the ends of the pauses that neither a success nor another pause has followed."""
    over = await transaction.execute(
        update(pauses).where(*_is_over(now)).values(since=None).returning(pauses.c.name)
    )
    resumed = [NewEvent(RESUMED[name]) for name in over.scalars()]
    await events.record(transaction, now, *resumed)


def _is_over(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (pauses.c.until <= now - CONTINUED_WITHIN, pauses.c.since.is_not(None))


async def _forget(
    transaction: Transaction, now: datetime, *wanted: ColumnElement[bool]
) -> tuple[str, ...]:
    deleted = await transaction.execute(
        delete(pauses).where(*wanted).returning(pauses.c.name, pauses.c.since)
    )
    rows = deleted.all()
    resumed = [NewEvent(RESUMED[row.name]) for row in rows if row.since is not None]
    await events.record(transaction, now, *resumed)
    return tuple(row.name for row in rows)
