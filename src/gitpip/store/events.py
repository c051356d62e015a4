"""Events: recorded in the transaction in which they happen, and read in order.

A reader follows them by their ids: after the last id that was read it gets everything that came
later, and nothing twice. `growing_keys` says how.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NewType

from sqlalchemy import Select, delete, insert, or_, select, text, union_all, update

from gitpip.counts import count
from gitpip.errors import EventUnknown
from gitpip.model import GistId, PublicationId, UserKey
from gitpip.store.database import Database, Transaction
from gitpip.store.growing_keys import GrowingKeys
from gitpip.store.rows import reader
from gitpip.store.schema import users
from gitpip.store.schema_events import EventKind, events
from gitpip.store.visibility import tracked, without_removed
from gitpip.validation import without_nul

EVENTS_KEPT_FOR = timedelta(days=90)
DETAIL_LIMIT = 1_000
KEYS = GrowingKeys("events_id_seq", locks=4_871_326)
NEWEST_ON_SQLITE = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"

EventId = NewType("EventId", int)


@dataclass(frozen=True)
class NewEvent:
    """An event to record."""

    kind: EventKind
    user_key: UserKey | None = None
    gist_id: GistId | None = None
    publication_id: PublicationId | None = None
    detail: str | None = None
    """Details for people: names of files, a reason, a former login."""


@dataclass(frozen=True)
class Event:
    """A recorded event."""

    id: EventId
    happened_at: datetime
    kind: EventKind | str
    """A text if only a newer gitpip knows the kind."""
    login: str | None
    """The user's present login; None if the event is about no user."""
    gist_id: GistId | None
    publication_id: PublicationId | None
    detail: str | None


_event = reader(Event)


@dataclass(frozen=True)
class EventsWanted:
    """The events to read; an empty field does not narrow."""

    kinds: Collection[EventKind] = field(default=())
    user_key: UserKey | None = None


async def record(transaction: Transaction, now: datetime, *happened: NewEvent) -> None:
    """Record events, in the transaction in which they happen."""
    if not happened:
        return
    await KEYS.about_to_take(transaction)
    await transaction.execute(
        insert(events),
        [
            {
                "happened_at": now,
                "kind": one.kind,
                "user_key": one.user_key,
                "gist_id": one.gist_id,
                "publication_id": one.publication_id,
                "detail": one.detail and without_nul(one.detail)[:DETAIL_LIMIT],
            }
            for one in happened
        ],
    )


async def record_files(
    transaction: Transaction,
    now: datetime,
    kind: EventKind,
    user_keys: Iterable[int],
    why: str,
) -> None:
    """Record an event about many files, once for each user; a key stands for one file."""
    files = Counter(map(UserKey, user_keys))
    happened = [
        NewEvent(kind, key, detail=f"{count(number, 'file')}: {why}")
        for key, number in files.items()
    ]
    await record(transaction, now, *happened)


async def after(
    database: Database, last: EventId, wanted: EventsWanted, *, limit: int
) -> tuple[Event, ...]:
    """Return the first events after one that was read, in the order in which they happened.

    Those of removed users are left out. Raises EventUnknown if `last` was never given to an event,
    as after a restore: the following events would be skipped. Raises DatabaseUnavailable.
    """
    ids = await _ids(database)
    if last > ids.newest:
        raise EventUnknown(
            f"after: no event has the id {last} yet, the newest one has {ids.newest}: the database "
            "may have been restored; begin again without after"
        )
    chosen = _selected(wanted, ids.settled).where(events.c.id > last)
    async with database.read() as transaction:
        rows = await transaction.execute(_first(chosen, wanted, newest=False, limit=limit))
        return await _shown(transaction, [_event(row) for row in rows])


async def latest(
    database: Database, wanted: EventsWanted, *, limit: int, before: EventId | None = None
) -> tuple[Event, ...]:
    """Return the last events, or the last before one of them, in the order in which they happened.

    Those of removed users are left out. Raises DatabaseUnavailable.
    """
    chosen = _selected(wanted, (await _ids(database)).settled)
    if before is not None:
        chosen = chosen.where(events.c.id < before)
    async with database.read() as transaction:
        rows = await transaction.execute(_first(chosen, wanted, newest=True, limit=limit))
        return await _shown(transaction, [_event(row) for row in rows][::-1])


async def move(transaction: Transaction, user_key: UserKey, *, to: UserKey) -> None:
    """Move the events of one row of a user to another row."""
    await transaction.execute(
        update(events).where(events.c.user_key == user_key).values(user_key=to)
    )


async def forget(transaction: Transaction, user_key: UserKey) -> None:
    """Delete the events of a removed user who is added again: no reader gets them later."""
    await transaction.execute(delete(events).where(events.c.user_key == user_key))


async def prune(transaction: Transaction, now: datetime) -> None:
    """Delete the events that are older than `EVENTS_KEPT_FOR`."""
    await transaction.execute(delete(events).where(events.c.happened_at < now - EVENTS_KEPT_FOR))


@dataclass(frozen=True)
class _Ids:
    newest: int
    """The largest id that was ever given to an event; 0 for none."""
    settled: int | None
    """The id up to which no more events will appear; None if all are settled."""


async def _ids(database: Database) -> _Ids:
    """Return the newest and the settled id.

    The events must be read in a later transaction; see `growing_keys`.
    """
    async with database.read() as transaction:
        if database.is_sqlite:
            newest: int = (await transaction.execute(text(NEWEST_ON_SQLITE))).scalar_one()
            return _Ids(newest, settled=None)
        ids = await KEYS.settled(transaction)
    return _Ids(ids.newest, ids.settled)


def _selected(wanted: EventsWanted, settled: int | None) -> Select[Any]:
    chosen = (
        select(events, users.c.login)
        .outerjoin(users, users.c.key == events.c.user_key)
        .where(or_(events.c.user_key.is_(None), tracked))
    )
    if settled is not None:
        chosen = chosen.where(events.c.id <= settled)
    if wanted.user_key is not None:
        chosen = chosen.where(events.c.user_key == wanted.user_key)
    return chosen


def _first(chosen: Select[Any], wanted: EventsWanted, *, newest: bool, limit: int) -> Select[Any]:
    """Return the query of the oldest or newest of the chosen events, of the wanted kinds."""
    first = chosen.order_by(events.c.id.desc() if newest else events.c.id).limit(limit)
    if not wanted.kinds:
        return first
    # Each kind has its own query, which reads `limit` rows of the index of kinds. For several kinds
    # at once, SQLite would sort all their events, in 0.8 seconds for a million.
    each = [
        select(first.where(events.c.kind == kind).subquery())
        for kind in dict.fromkeys(wanted.kinds)
    ]
    together = union_all(*each).subquery()
    ids = together.c.id
    return select(together).order_by(ids.desc() if newest else ids).limit(limit)


async def _shown(transaction: Transaction, found: Sequence[Event]) -> tuple[Event, ...]:
    """Return the events without reasons that name a removed user, as one of another user may."""
    reasons = {one.detail for one in found if one.kind is EventKind.USER_UNAVAILABLE and one.detail}
    if not reasons:
        return tuple(found)
    hidden = reasons - await without_removed(transaction, reasons)
    return tuple(replace(one, detail=None) if one.detail in hidden else one for one in found)
