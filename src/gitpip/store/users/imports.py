"""Imports of lists of users: their progress, and what was wrong in each faulty line."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NewType

from sqlalchemy import ColumnElement, and_, delete, exists, insert, select, update

from gitpip.errors import ImportNotFound, ImportNotWaiting
from gitpip.store import lease, visibility
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_status import import_columns, import_pieces, imports

ImportId = NewType("ImportId", int)

FAULTS_KEPT = 500
INTERRUPTED_SHOWN = timedelta(days=7)
"""How long an interruption or a failure is shown if no other import follows it."""
INTERRUPTED = (
    "it was interrupted by a restart: upload the file again, and people you already track are left "
    "unchanged"
)
KEPT_FOR = timedelta(days=1)
"""How long a file is kept that is neither confirmed nor imported to its end."""


@dataclass(frozen=True)
class Import:
    """One import. `size` and `read` are bytes of the file; times are UTC."""

    id: ImportId
    name: str
    size: int
    read: int
    added: int
    known: int
    faulty: int
    faults: tuple[str, ...]
    """The first faults, a line each, without those that name a user who was removed since."""
    started_at: datetime
    moved_at: datetime
    ended_at: datetime | None
    failure: str | None
    confirmed_at: datetime | None
    """The time when a person confirmed it; None while it waits for that."""
    not_on_github: tuple[str, ...]
    """Usernames that GitHub does not show, among the first `asked` ones of the file."""
    gists_on_github: tuple[str, ...]
    """The other new usernames, a line each: the username and its number of public gists on GitHub.
    """
    asked: int

    @property
    def gist_counts(self) -> Mapping[str, int]:
        """The number of public gists of each new user, by the username in lower case."""
        pairs = (line.split() for line in self.gists_on_github)
        return {login.lower(): int(count) for login, count in pairs}

    @property
    def waits(self) -> bool:
        """Whether it waits for a person to confirm it, so nothing of it is added yet."""
        return self.confirmed_at is None and self.ended_at is None

    def cut_short(self, now: datetime) -> bool:
        """Return whether the process that ran it stopped before the end."""
        stale = now - self.moved_at > lease.CUT_SHORT_AFTER
        return self.ended_at is None and not self.waits and stale

    def failure_at(self, now: datetime) -> str | None:
        """Return why it ended early, also if its process stopped before it could record that."""
        return INTERRUPTED if self.cut_short(now) else self.failure

    @property
    def left(self) -> timedelta | None:
        """The estimated time until it ends; None if that is unknown, or it has ended."""
        if not self.read or self.ended_at:
            return None
        return (self.moved_at - self.started_at) * ((self.size - self.read) / self.read)


@dataclass(frozen=True)
class Imported:
    """The results of an import; `faults` holds one line for each bad line of the file."""

    added: int
    known: int
    faults: tuple[str, ...]

    def __add__(self, other: "Imported") -> "Imported":
        return Imported(
            self.added + other.added, self.known + other.known, self.faults + other.faults
        )


_import = reader(Import)


async def begin(
    transaction: Transaction, *, name: str, size: int, now: datetime, confirmed: bool
) -> ImportId:
    """Record that an import begins, or waits to be confirmed; return its id."""
    result = await transaction.execute(
        insert(imports)
        .values(
            name=name,
            size=size,
            faults=(),
            started_at=now,
            moved_at=now,
            confirmed_at=now if confirmed else None,
        )
        .returning(imports.c.id)
    )
    return ImportId(result.scalar_one())


async def confirm(transaction: Transaction, import_id: ImportId, now: datetime) -> None:
    """Record that an import continues: it was confirmed, or resumed after it was cut short.

    Raises ImportNotFound if there is none, and ImportNotWaiting if it is done or under way.
    """
    one = await get(transaction, import_id, for_update=True)
    if not one.waits and not one.cut_short(now):
        raise ImportNotWaiting(
            f"import {import_id} is {'done' if one.ended_at else 'running'} already"
        )
    await transaction.execute(
        update(imports)
        .where(imports.c.id == import_id)
        .values(confirmed_at=now, started_at=now, moved_at=now, acknowledged_at=None)
    )


async def note_looked_up(
    transaction: Transaction,
    import_id: ImportId,
    absent: Collection[str],
    counts: Mapping[str, int | None],
    *,
    asked: int,
) -> None:
    """Record which usernames GitHub does not show, and how many gists the others have."""
    lines = [f"{login} {count}" for login, count in counts.items() if count is not None]
    await transaction.execute(
        update(imports)
        .where(imports.c.id == import_id)
        .values(not_on_github=tuple(absent), gists_on_github=tuple(lines), asked=asked)
    )


async def keep_piece(
    transaction: Transaction, import_id: ImportId, number: int, data: bytes
) -> None:
    """Keep a piece of an import's file until the import is done."""
    await transaction.execute(
        insert(import_pieces).values(import_id=import_id, number=number, data=data)
    )


async def piece(transaction: Transaction, import_id: ImportId, number: int) -> bytes | None:
    """Return a piece of an import's file, from number 0 on; None after the last one."""
    found: bytes | None = await transaction.scalar(
        select(import_pieces.c.data).where(
            import_pieces.c.import_id == import_id, import_pieces.c.number == number
        )
    )
    return found


async def drop_file(transaction: Transaction, import_id: ImportId) -> None:
    """Delete the file of an import."""
    await transaction.execute(delete(import_pieces).where(import_pieces.c.import_id == import_id))


async def drop_old_files(transaction: Transaction, now: datetime) -> None:
    """Delete files of imports without progress for `KEPT_FOR`, and end the unconfirmed imports."""
    old = imports.c.moved_at < now - KEPT_FOR
    await transaction.execute(
        delete(import_pieces).where(import_pieces.c.import_id.in_(select(imports.c.id).where(old)))
    )
    await transaction.execute(
        update(imports)
        .where(old, imports.c.confirmed_at.is_(None), imports.c.ended_at.is_(None))
        .values(ended_at=now, failure="it was not confirmed within a day")
    )


async def remember_columns(
    transaction: Transaction, signature: str, chosen: Mapping[str, object], now: datetime
) -> None:
    """Remember the columns that a person chose for tables with the same headings."""
    await transaction.execute(delete(import_columns).where(import_columns.c.signature == signature))
    await transaction.execute(
        insert(import_columns).values(signature=signature, columns=json.dumps(chosen), used_at=now)
    )


async def remembered_columns(
    transaction: Transaction, signature: str
) -> Mapping[str, object] | None:
    """Return the columns that were chosen last for tables with these headings."""
    found = await transaction.scalar(
        select(import_columns.c.columns).where(import_columns.c.signature == signature)
    )
    chosen: Mapping[str, object] | None = json.loads(found) if found else None
    return chosen


async def advance(
    transaction: Transaction,
    import_id: ImportId,
    done: Imported,
    *,
    read: int,
    now: datetime,
) -> None:
    """Record an import's progress: its results since its start, and the bytes of the file read."""
    await transaction.execute(
        update(imports)
        .where(imports.c.id == import_id)
        .values(
            read=read,
            added=done.added,
            known=done.known,
            faulty=len(done.faults),
            faults=done.faults[:FAULTS_KEPT],
            moved_at=now,
        )
    )


async def end(
    transaction: Transaction, import_id: ImportId, *, failure: str | None, now: datetime
) -> None:
    """Record that an import is over, and the failure that ended it, if any."""
    await transaction.execute(
        update(imports)
        .where(imports.c.id == import_id)
        .values(ended_at=now, moved_at=now, failure=failure)
    )


async def get(transaction: Transaction, import_id: ImportId, *, for_update: bool = False) -> Import:
    """Return one import; raises ImportNotFound."""
    query = select(imports).where(imports.c.id == import_id)
    found = await transaction.execute(query.with_for_update() if for_update else query)
    row = found.one_or_none()
    if row is None:
        raise ImportNotFound(f"there is no import {import_id}")
    one = _import(row)
    named = (*one.faults, *one.not_on_github, *one.gists_on_github)
    shown = await visibility.without_removed(transaction, named)
    return replace(
        one,
        faults=tuple(fault for fault in one.faults if fault in shown),
        not_on_github=tuple(login for login in one.not_on_github if login in shown),
        gists_on_github=tuple(line for line in one.gists_on_github if line in shown),
    )


async def interrupted(transaction: Transaction, now: datetime) -> tuple[Import, ...]:
    """Return the recently interrupted imports, newest first.

    Without those that a later import followed, or that a person has acknowledged.
    """
    found = await transaction.execute(
        select(imports).where(_interrupted(now)).order_by(imports.c.id.desc())
    )
    return tuple(replace(_import(row), faults=()) for row in found)


async def acknowledge_interrupted(transaction: Transaction, now: datetime) -> int:
    """Record that a person has acknowledged the interrupted imports; return their number."""
    result = await transaction.execute(
        update(imports).where(_interrupted(now)).values(acknowledged_at=now)
    )
    return result.rowcount


async def failed(transaction: Transaction, now: datetime) -> tuple[Import, ...]:
    """Return the recently failed imports that no later import followed, newest first."""
    found = await transaction.execute(
        select(imports)
        .where(
            imports.c.failure.is_not(None),
            imports.c.confirmed_at.is_not(None),
            imports.c.ended_at > now - INTERRUPTED_SHOWN,
            ~_followed(),
        )
        .order_by(imports.c.id.desc())
    )
    each = [replace(_import(row), faults=()) for row in found]
    lines = [one.failure or "" for one in each]
    shown = await visibility.without_removed(transaction, lines)
    return tuple(
        one if line in shown else replace(one, failure=None)
        for one, line in zip(each, lines, strict=True)
    )


def _interrupted(now: datetime) -> ColumnElement[bool]:
    return and_(
        imports.c.ended_at.is_(None),
        imports.c.confirmed_at.is_not(None),
        imports.c.acknowledged_at.is_(None),
        imports.c.moved_at.between(now - INTERRUPTED_SHOWN, now - lease.CUT_SHORT_AFTER),
        ~_followed(),
    )


def _followed() -> ColumnElement[bool]:
    """Return the condition that a later import was begun."""
    later = imports.alias("later")
    return exists().where(later.c.id > imports.c.id, later.c.confirmed_at.is_not(None))


async def latest(transaction: Transaction, *, limit: int) -> tuple[Import, ...]:
    """Return the last imports, newest first, without their faults."""
    found = await transaction.execute(select(imports).order_by(imports.c.id.desc()).limit(limit))
    return tuple(replace(_import(row), faults=()) for row in found)
