"""The audit log: who did what, when, and to what. Rows are added and never changed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select

from gitpip.model import Page
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema_access import Via, audit
from gitpip.validation import without_nul

LOG_SUBJECT_LIMIT = 300


@dataclass(frozen=True)
class Actor:
    """A person or program that acts: the name of a key, or what is known of a caller without."""

    name: str
    via: Via


@dataclass(frozen=True)
class AuditEntry:
    """One act in the log."""

    id: int
    at: datetime
    actor: str
    via: Via | str
    """A text if only a newer gitpip knows the door."""
    action: str
    """A name such as `user.added`."""
    subject: str
    """The object of the act: a login, the number of a publication, the name of a key."""


_entry = reader(AuditEntry)


async def record(
    transaction: Transaction, actor: Actor, action: str, subject: str, now: datetime
) -> None:
    """Record an act, in the transaction of the act."""
    await transaction.execute(
        insert(audit).values(
            at=now,
            actor=actor.name[:120],
            via=actor.via,
            action=action,
            subject=without_nul(subject)[:LOG_SUBJECT_LIMIT],
        )
    )


async def page(transaction: Transaction, *, offset: int, limit: int) -> Page[AuditEntry]:
    """Return a page of the log, newest first."""
    rows = await transaction.execute(
        select(audit).order_by(audit.c.id.desc()).offset(offset).limit(limit)
    )
    total = await transaction.scalar(select(func.count()).select_from(audit)) or 0
    return Page(tuple(map(_entry, rows)), total)
