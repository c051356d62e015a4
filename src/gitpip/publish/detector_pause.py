"""The pause of sending while no file can be examined for credentials."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from gitpip.config.publishing.policy import PublishingPolicy
from gitpip.model import Pause
from gitpip.modes import CredentialsGuard
from gitpip.observability.logging import get_logger
from gitpip.publish.credentials.detector import DETECTOR
from gitpip.store.database import Database, Transaction
from gitpip.store.status import pauses

FIRST_DETECTOR_WAIT = timedelta(seconds=30)
LONGEST_DETECTOR_WAIT = timedelta(minutes=10)

log = get_logger()


class NotExamined(Exception):
    """No file can be examined at present, so nothing is sent. The message says why."""


class DetectorPause:
    """The pause during which no file is examined. `now` returns the time (UTC).

    It begins when the detector also fails for a sample, and ends when a later try finds the sample.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._works: bool | None = None
        """Whether files could be examined at the last try; None before it. The first send does not
        wait for a try."""

    def begin(self) -> None:
        """Note that a run begins: another process may have begun a pause since the last one."""
        if self._works:
            self._works = None

    async def is_possible(self, transaction: Transaction, policy: PublishingPolicy) -> bool:
        """Return whether files can be examined, by the rows, or whether it is time to try."""
        if self._works is None or policy.credentials is CredentialsGuard.PUBLISH:
            return True
        return await pauses.paused(transaction, pauses.EXAMINING, self._now()) is None

    async def goes_on(self, policy: PublishingPolicy) -> bool:
        """Return whether files can be examined or need not be, after a try if that is due."""
        if self._works:
            return True
        async with self._database.read() as transaction:
            last = await pauses.last_pause(transaction, pauses.EXAMINING)
            waits = not await self.is_possible(transaction, policy)
        if waits:
            return False
        if last is not None and policy.credentials is not CredentialsGuard.PUBLISH:
            trouble = await asyncio.to_thread(DETECTOR.trouble)
            if trouble is not None:
                await self.stop(trouble)
                return False
        if last is not None:
            async with self._database.begin() as transaction:
                await pauses.resume(transaction, pauses.EXAMINING, self._now())
            log.info("examining.resumed")
        self._works = True
        return True

    async def stop(self, reason: str) -> None:
        """Begin a pause, longer each time, because no file can be examined."""
        now = self._now()
        async with self._database.begin() as transaction:
            last = await pauses.last_pause(transaction, pauses.EXAMINING)
            lasted = now - (last.since or now) if last else timedelta(0)
            until = now + min(max(lasted, FIRST_DETECTOR_WAIT), LONGEST_DETECTOR_WAIT)
            told = f"no file can be examined for credentials ({reason})"
            await pauses.pause(transaction, pauses.EXAMINING, Pause(until, told), now=now)
        self._works = False
        log.error("examining.paused", reason=reason, until=until)
