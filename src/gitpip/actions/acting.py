"""The frame of every act: who acts and how, a transaction, the audit log, waking the workers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gitpip.clock import utc_now
from gitpip.store.access import audit_log
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database, Transaction

Work = Literal["check", "publish", "survey"]
"""The kinds of work that workers can be woken for."""
Wake = Callable[[Work], Awaitable[None]]
"""A function that tells the workers that work waits."""
MAX_VALUE_LENGTH = 80
"""The most characters of a value in an audit entry."""


@dataclass
class Act:
    """One act in progress: its transaction, and the work to wake workers for after the commit."""

    transaction: Transaction
    actor: Actor
    now: datetime
    waiting: list[Work] = field(default_factory=list)
    """The work that the workers are woken for after the commit."""

    async def record(self, action: str, subject: str) -> None:
        """Record in the audit log what was done, and to what, in the act's own transaction."""
        await audit_log.record(self.transaction, self.actor, action, subject, self.now)

    def wake(self, work: Work) -> None:
        """Wake the workers for this work once the act is committed, and not before."""
        if work not in self.waiting:
            self.waiting.append(work)


def difference(name: str, before: str, after: str) -> str:
    """Return the audit entry's text for a change, as in `publishing_mode: automatic → ask`."""
    return f"{name}: {shortened(before)} → {shortened(after)}"


def shortened(text: str) -> str:
    """Return a value in one line, shortened for an audit entry or an error."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_VALUE_LENGTH else f"{line[: MAX_VALUE_LENGTH - 1]}…"


@dataclass(frozen=True)
class Acting:
    """A person who acts by a page, the API or a command, and the database of the act."""

    database: Database
    actor: Actor
    wake: Wake
    clock: Callable[[], datetime] = utc_now

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Act]:
        """Run one act: all of it is committed, or nothing. Then the workers are woken."""
        async with self.database.begin() as transaction:
            act = Act(transaction, self.actor, self.clock())
            yield act
        for work in act.waiting:
            await self.wake(work)
