"""The audit: who did what, when, and to what. Rows are added and never changed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, insert, select

from gitpip.model import Page
from gitpip.store.database import Transaction
from gitpip.store.schema_access import audit
from gitpip.validation import without_nul

SUBJECT_LIMIT = 300


class Via(StrEnum):
    """By which door somebody came."""

    PAGE = "page"
    API = "api"
    COMMAND = "command"


@dataclass(frozen=True)
class Actor:
    """Somebody who acts: the name of a key, or what is known of one without."""

    name: str
    via: Via


@dataclass(frozen=True)
class AuditEntry:
    """One thing that somebody did."""

    id: int
    at: datetime
    actor: str
    via: Via
    action: str
    """Like `user.added`."""
    subject: str
    """What it was done to: a login, the number of a publication, the name of a key."""


async def record(
    transaction: Transaction, actor: Actor, action: str, subject: str, now: datetime
) -> None:
    """Keep what somebody does, in the transaction in which they do it."""
    await transaction.execute(
        insert(audit).values(
            at=now,
            actor=actor.name[:120],
            via=actor.via,
            action=action,
            subject=without_nul(subject)[:SUBJECT_LIMIT],
        )
    )


async def page(transaction: Transaction, *, offset: int, limit: int) -> Page[AuditEntry]:
    """What was done, latest first."""
    rows = await transaction.execute(
        select(audit).order_by(audit.c.id.desc()).offset(offset).limit(limit)
    )
    total = await transaction.scalar(select(func.count()).select_from(audit)) or 0
    entries = tuple(
        AuditEntry(row.id, row.at, row.actor, Via(row.via), row.action, row.subject) for row in rows
    )
    return Page(entries, total)
