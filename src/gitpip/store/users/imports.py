"""Imports of lists of users: how far each is, and what was wrong with which line."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NewType

from sqlalchemy import insert, select, update

from gitpip.errors import ImportNotFound
from gitpip.store import visibility
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_status import imports

ImportId = NewType("ImportId", int)

FAULTS_KEPT = 500
CUT_SHORT_AFTER = timedelta(minutes=2)
"""An import that did not get on for so long was cut short."""


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

    def cut_short(self, now: datetime) -> bool:
        """Whether the process that did it went away before the end."""
        return self.ended_at is None and now - self.moved_at > CUT_SHORT_AFTER

    @property
    def left(self) -> timedelta | None:
        """How long it takes yet, as far as can be told."""
        if not self.read or self.ended_at:
            return None
        return (self.moved_at - self.started_at) * ((self.size - self.read) / self.read)


@dataclass(frozen=True)
class Imported:
    """What an import did; `faults` holds one line for each bad line of the file."""

    added: int
    known: int
    faults: tuple[str, ...]

    def __add__(self, other: "Imported") -> "Imported":
        return Imported(
            self.added + other.added, self.known + other.known, self.faults + other.faults
        )


_import = reader(Import)


async def begin(transaction: Transaction, *, name: str, size: int, now: datetime) -> ImportId:
    """Note that an import begins."""
    result = await transaction.execute(
        insert(imports)
        .values(name=name, size=size, faults=(), started_at=now, moved_at=now)
        .returning(imports.c.id)
    )
    return ImportId(result.scalar_one())


async def advance(
    transaction: Transaction,
    import_id: ImportId,
    done: Imported,
    *,
    read: int,
    now: datetime,
) -> None:
    """Note how far an import is: what it did since its start, and the bytes read of the file."""
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
    """Note that an import is over, or why it could not go on."""
    await transaction.execute(
        update(imports)
        .where(imports.c.id == import_id)
        .values(ended_at=now, moved_at=now, failure=failure)
    )


async def get(transaction: Transaction, import_id: ImportId) -> Import:
    """One import; raises ImportNotFound."""
    found = await transaction.execute(select(imports).where(imports.c.id == import_id))
    row = found.one_or_none()
    if row is None:
        raise ImportNotFound(f"there is no import {import_id}")
    one = _import(row)
    shown = await visibility.without_removed(transaction, one.faults)
    return replace(one, faults=tuple(fault for fault in one.faults if fault in shown))


async def latest(transaction: Transaction, *, limit: int) -> tuple[Import, ...]:
    """The last imports, newest first, without their faults."""
    found = await transaction.execute(select(imports).order_by(imports.c.id.desc()).limit(limit))
    return tuple(replace(_import(row), faults=()) for row in found)
