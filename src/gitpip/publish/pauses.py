"""The pause of all publishing: read before each request, written after failures that need it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gitpip.model import Pause, PauseCause
from gitpip.observability.logging import get_logger
from gitpip.publish.circuit_breaker import DAILY_PAUSE, CircuitBreaker, Request, RequestKind
from gitpip.publish.delivery import Accepted, Ambiguous, NotProcessed, Outcome
from gitpip.publish.destination import DAILY_RESERVE, Destination, LookFailed
from gitpip.publish.sent_fields import Terms
from gitpip.store.database import Database
from gitpip.store.status import pauses, publishing_pause

PAUSE_TOLERANCE = timedelta(seconds=1)
"""The difference below which two pauses count as the same."""

NO_END = datetime(9000, 1, 1, tzinfo=UTC)
"""The end that stands for a person's pause without an end."""

log = get_logger()


@dataclass(frozen=True)
class Channel:
    """The parts that everything that sends to Pipedrive, or reads from it, needs."""

    database: Database
    """The rows that are sent, with their results."""
    destination: Destination
    """The client of Pipedrive."""
    pauses: "Pauses"
    """The pause of publishing, asked before each request and told each outcome."""
    terms: Terms
    """The fields that the publishing settings add to an activity or a deal."""


class Pauses:
    """Decides whether publishing may continue. `now` returns the time (UTC)."""

    def __init__(
        self, database: Database, destination: Destination, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._destination = destination
        self._now = now
        self._breaker = CircuitBreaker()
        self._answers = 0
        """The number of Pipedrive's answers taken into account."""
        self.pause_count = 0
        """The number of times that requests made here have paused publishing."""
        self._until: datetime | None = None
        """The end of the pause, as far as it is known here."""
        self._stored: bool | None = None
        """Whether there is a row of a pause, even an expired one; None before the first read."""

    async def current(self) -> Pause | None:
        """Return the pause that holds now, gitpip's own or a person's, or None."""
        async with self._database.read() as transaction:
            if self._stored is None:
                known = await pauses.last_pause(transaction, pauses.PUBLISHING)
                self._stored = known is not None
                if self._stored:
                    self._breaker.resume()
            pause = await pauses.paused(
                transaction,
                pauses.PUBLISHING,
                self._now(),
                credential=self._destination.fingerprint,
            )
            by_person = await publishing_pause.current(transaction, self._now())
        if by_person is not None:
            ends = [by_person.until or NO_END, *([pause.until] if pause else [])]
            pause = Pause(max(ends), by_person.reason or f"paused by {by_person.paused_by}")
        # A person may have ended the pause.
        self._until = pause.until if pause else None
        return pause

    def holds(self) -> bool:
        """Return whether publishing is paused, as far as is known without asking the database."""
        return self._until is not None and self._now() < self._until

    @property
    def probing(self) -> bool:
        """Whether the next request should go alone, to show if a pause was long enough."""
        return self._breaker.probing

    def request(self, kind: RequestKind, subject: str, *, beside: int = 1) -> Request:
        """Return a request that starts now, perhaps with others `beside` it."""
        return Request(kind, subject, beside, self.pause_count)

    def refused_alone(self, outcome: Outcome, request: Request) -> Outcome:
        """Return the outcome of a write as it counts for its row. Call it before `after`.

        See `CircuitBreaker.refused_alone`.
        """
        return self._breaker.refused_alone(outcome, request)

    async def failed(self, outcome: Outcome, request: Request) -> Outcome:
        """Pause publishing if a failure needs it; return the outcome as the request counts it.

        The request is about one publication, deal, target or activity: see
        `CircuitBreaker.limited_alone`.
        """
        outcome = self._breaker.limited_alone(outcome, request)
        await self.after(outcome, request)
        return outcome

    async def look_failed(self, failure: LookFailed, request: Request) -> LookFailed:
        """Pause publishing if a failed look needs it; return the failure as the look counts it.

        A look that was refused before, and not answered since, waits on its own besides: others may
        be answered meanwhile.
        """
        again = self._breaker.was_refused(request)
        outcome = await self.failed(failure.outcome, request)
        if again and isinstance(outcome, NotProcessed):
            outcome = replace(outcome, everyone=False)
        return LookFailed(outcome)

    def suspected(self, subject: str) -> bool:
        """Return whether this publication, deal or target failed, so that others go first."""
        return self._breaker.suspected(subject)

    async def after(self, outcome: Outcome | None, request: Request) -> Pause | None:
        """Pause publishing if an outcome needs it; return the pause.

        The outcome None is a successful read.
        """
        if outcome is None and self._destination.answers_received == self._answers:
            # The result was known already: no request shows that the pause was long enough, and the
            # daily budget that was announced last may be full again.
            return None
        self._answers = self._destination.answers_received
        if self._is_known(outcome, request):
            if isinstance(outcome, Accepted) and request.kind is RequestKind.WRITE:
                self._breaker.accepted(request)
            return None
        pause = self._breaker.pause_after(outcome, request, self._now()) or self._reserve(outcome)
        if pause is not None:
            await self._enter(pause, outcome)
        elif self._stored and not self._breaker.probing:
            async with self._database.begin() as transaction:
                await pauses.clear_pause(transaction, pauses.PUBLISHING, self._now())
            self._stored = False
        return pause

    def _is_known(self, outcome: Outcome | None, request: Request) -> bool:
        """Return whether the request of this outcome started before the last pause.

        Failures of several requests at the same time are one fault, and an earlier success says
        nothing about it. A longer pause than the one that holds is new.
        """
        if request.pauses_before is None or request.pauses_before == self.pause_count:
            return False
        wanted = getattr(outcome, "pause", None) or timedelta(0)
        return self._until is None or self._now() + wanted <= self._until + PAUSE_TOLERANCE

    async def _enter(self, pause: Pause, outcome: Outcome | None) -> None:
        refused = isinstance(outcome, NotProcessed) and outcome.access
        unreachable = isinstance(outcome, NotProcessed) and outcome.unreachable
        async with self._database.begin() as transaction:
            await pauses.pause(
                transaction,
                pauses.PUBLISHING,
                Pause(pause.until, pause.reason, cause_of(outcome), unreachable=unreachable),
                credential=self._destination.fingerprint if refused else None,
                now=self._now(),
            )
        self._stored = True
        self._until = pause.until
        self.pause_count += 1
        log.warning("publishing.paused", reason=pause.reason, until=pause.until)

    def _reserve(self, outcome: Outcome | None) -> Pause | None:
        remaining = self._destination.daily_remaining
        if isinstance(outcome, NotProcessed) or remaining is None or remaining >= DAILY_RESERVE:
            return None
        reason = f"Pipedrive's daily budget is used up except {remaining} tokens"
        return Pause(self._now() + DAILY_PAUSE, reason)


def cause_of(outcome: Outcome | None) -> PauseCause:
    """Return the cause of the pause that follows an outcome."""
    match outcome:
        case NotProcessed(access=True):
            return PauseCause.CREDENTIAL
        case NotProcessed(setting=True):
            return PauseCause.SETTING
        case Ambiguous(unintelligible=True):
            return PauseCause.FAULT
        case _:
            return PauseCause.VENDOR
