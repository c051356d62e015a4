"""The pause of all publishing: read before each request, written after those that call for it."""

from collections.abc import Callable
from datetime import datetime

from gitpip.model import Pause, PauseCause
from gitpip.publish.delivery import NotProcessed, Outcome
from gitpip.publish.pipedrive import DAILY_RESERVE, Pipedrive
from gitpip.publish.trouble import DAILY_PAUSE, Request, Trouble
from gitpip.store import operation
from gitpip.store.database import Database
from gitpip.telemetry import get_logger

log = get_logger()


class Pauses:
    """Decides whether publishing may go on. `now` tells the time (UTC)."""

    def __init__(
        self, database: Database, pipedrive: Pipedrive, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._pipedrive = pipedrive
        self._now = now
        self._trouble = Trouble()
        self._answers = 0
        """How many answers of Pipedrive were taken into account."""
        self._stored: bool | None = None
        """Whether there is a row of a pause, be it over or not; None before the first look."""

    async def current(self) -> Pause | None:
        """The pause that holds now, if any."""
        async with self._database.read() as transaction:
            if self._stored is None:
                known = await operation.last_pause(transaction, operation.PUBLISHING)
                self._stored = known is not None
                if self._stored:
                    self._trouble.resume()
            return await operation.paused(
                transaction,
                operation.PUBLISHING,
                self._now(),
                credential=self._pipedrive.fingerprint,
            )

    def own(self, outcome: Outcome, request: Request) -> Outcome:
        """The outcome of a write as it counts for its publication or deal; call it before `after`.

        See `Trouble.own`.
        """
        return self._trouble.own(outcome, request)

    def suspected(self, subject: str) -> bool:
        """Whether the edge refused this publication or deal, so that others are to go first."""
        return self._trouble.suspected(subject)

    async def after(self, outcome: Outcome | None, request: Request) -> Pause | None:
        """Pause publishing where an outcome calls for it; None stands for a successful read."""
        if outcome is None and self._pipedrive.answers_received == self._answers:
            # What was read was known already: no request shows that the pause was long enough, and
            # the daily budget that was announced last may be full again.
            return None
        self._answers = self._pipedrive.answers_received
        pause = self._trouble.pause_after(outcome, request, self._now()) or self._reserve(outcome)
        if pause is not None:
            await self._enter(pause, outcome)
        elif self._stored and not self._trouble.probing:
            async with self._database.begin() as transaction:
                await operation.clear_pause(transaction, operation.PUBLISHING, self._now())
            self._stored = False
        return pause

    async def _enter(self, pause: Pause, outcome: Outcome | None) -> None:
        refused = isinstance(outcome, NotProcessed) and outcome.access
        async with self._database.begin() as transaction:
            await operation.pause(
                transaction,
                operation.PUBLISHING,
                until=pause.until,
                reason=pause.reason,
                credential=self._pipedrive.fingerprint if refused else None,
                cause=PauseCause.CREDENTIAL if refused else PauseCause.VENDOR,
                now=self._now(),
            )
        self._stored = True
        log.warning("publishing.paused", reason=pause.reason, until=pause.until)

    def _reserve(self, outcome: Outcome | None) -> Pause | None:
        remaining = self._pipedrive.daily_remaining
        if isinstance(outcome, NotProcessed) or remaining is None or remaining >= DAILY_RESERVE:
            return None
        reason = f"Pipedrive's daily budget is used up but for {remaining} tokens"
        return Pause(self._now() + DAILY_PAUSE, reason)
