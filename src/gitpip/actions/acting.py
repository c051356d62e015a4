"""Who acts, by which door, and what each act has in common: a transaction, the audit, the wake."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gitpip.clock import utc_now
from gitpip.store.access import audit
from gitpip.store.access.audit import Actor
from gitpip.store.database import Database, Transaction

Work = Literal["check", "publish", "survey"]
"""What the workers can be woken for."""
Wake = Callable[[Work], Awaitable[None]]
"""Tells the workers that work waits."""
SHOWN = 80
"""How many characters of a value an audit entry holds at most."""


@dataclass
class Act:
    """One act under way: its transaction, and what its commit is followed by."""

    transaction: Transaction
    actor: Actor
    now: datetime
    waiting: list[Work] = field(default_factory=list)
    """What the workers are woken for after the commit."""

    async def record(self, action: str, subject: str) -> None:
        """Record in the audit what was done, and to what, in the act's own transaction."""
        await audit.record(self.transaction, self.actor, action, subject, self.now)

    def wake(self, work: Work) -> None:
        """Wake the workers for this once the act is committed, and not before."""
        if work not in self.waiting:
            self.waiting.append(work)


def difference(name: str, before: str, after: str) -> str:
    """What an audit entry says of a changed value, like `publishing_mode: automatic → ask`."""
    return f"{name}: {shortened(before)} → {shortened(after)}"


def shortened(text: str) -> str:
    """A value in one line, of which an audit entry or an error holds only the beginning."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


@dataclass(frozen=True)
class Acting:
    """Somebody who acts by a page, the API or a command, and the database on which they act."""

    database: Database
    actor: Actor
    wake: Wake
    clock: Callable[[], datetime] = utc_now

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Act]:
        """One act: all of it is committed, or nothing; then the workers are woken."""
        async with self.database.begin() as transaction:
            act = Act(transaction, self.actor, self.clock())
            yield act
        for work in act.waiting:
            await self.wake(work)
