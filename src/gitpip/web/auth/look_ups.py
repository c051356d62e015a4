"""Looking up secrets together, so that a flood of wrong ones costs the database next to nothing."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from gitpip.clock import utc_now
from gitpip.store.access import many_secrets
from gitpip.store.database import Database

PAUSE = timedelta(seconds=0.5)
"""The time after the last query until the next one begins, unless many wait for it."""
MANY = 64
"""The number of waiting requests that ends the pause. They occupy connections, and an address has
at most 384. An ingress that is not trusted is one address for all its callers."""

ABSENT_KEPT = timedelta(minutes=1)
"""The time that a secret that opens nothing is not looked up again. It would stay one for good:
secrets are random, so nobody can show one before it is made. Only a restored database could hold
it."""
MOST_ABSENT = 10_000
"""The most that are remembered, as digests; then all are forgotten."""


@dataclass
class _Batch:
    digests: set[str] = field(default_factory=set)
    requests: int = 0
    is_full: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Task[frozenset[str]] | None = None


class LookUps:
    """Says of secrets whether they may open something, with one query for all that ask meanwhile.

    At most one query runs at a time. How many requests wait is bounded by the server's limit on
    connections.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next: _Batch | None = None
        self._turn = asyncio.Lock()
        self._free_at = 0.0
        self._absent: set[str] = set()
        self._forget_at = 0.0

    async def is_promising(self, digest: str) -> bool:
        """Return whether a secret with this digest may open something.

        Raises DatabaseUnavailable.
        """
        if digest in self._absent and asyncio.get_running_loop().time() < self._forget_at:
            return False
        batch = self._next
        if batch is None or batch.answer is None:
            batch = self._next = _Batch()
            batch.answer = asyncio.create_task(self._look_up(batch))
            batch.answer.add_done_callback(_take_error)
        batch.digests.add(digest)
        batch.requests += 1
        if batch.requests >= MANY:
            batch.is_full.set()
        # The others still wait when the client of one goes away.
        return digest in await asyncio.shield(batch.answer)

    async def _look_up(self, batch: _Batch) -> frozenset[str]:
        loop = asyncio.get_running_loop()
        async with self._turn:
            try:
                async with asyncio.timeout_at(self._free_at):
                    await batch.is_full.wait()
            except TimeoutError:
                pass  # few wait, and the pause is over
            self._next = None
            try:
                async with self._database.read() as transaction:
                    found = await many_secrets.promising(transaction, batch.digests, utc_now())
            finally:
                self._free_at = loop.time() + PAUSE.total_seconds()
            self._remember(batch.digests - found, loop.time())
            return found

    def _remember(self, absent: set[str], now: float) -> None:
        if now >= self._forget_at or len(self._absent) + len(absent) > MOST_ABSENT:
            self._absent = set()
            self._forget_at = now + ABSENT_KEPT.total_seconds()
        self._absent |= absent


def _take_error(answer: asyncio.Task[frozenset[str]]) -> None:
    """Each request that still waits gets the error; asyncio would log that none did."""
    if not answer.cancelled():
        answer.exception()
