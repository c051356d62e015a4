"""The pause of all publishing: read before each request, written after those that call for it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gitpip.model import Pause, PauseCause
from gitpip.observability.logging import get_logger
from gitpip.publish.delivery import Accepted, Ambiguous, NotProcessed, Outcome
from gitpip.publish.destination import DAILY_RESERVE, Destination
from gitpip.publish.terms import Terms
from gitpip.publish.trouble import DAILY_PAUSE, Kind, Request, Trouble
from gitpip.store.database import Database
from gitpip.store.status import pauses, publishing_pause

LATER = timedelta(seconds=1)
"""A pause that ends less than this later is the same one."""

NO_END = datetime(9000, 1, 1, tzinfo=UTC)
"""Until when a person's pause lasts that has no end yet."""

log = get_logger()


@dataclass(frozen=True)
class Channel:
    """What every part that sends to Pipedrive, or looks there, needs."""

    database: Database
    """Has the rows that are sent, and keeps what became of them."""
    destination: Destination
    """The client of Pipedrive."""
    pauses: "Pauses"
    """Says before a request whether publishing is paused, and is told each outcome."""
    terms: Terms
    """The fields that the publishing settings add to an activity or a deal."""


class Pauses:
    """Decides whether publishing may go on. `now` tells the time (UTC)."""

    def __init__(
        self, database: Database, destination: Destination, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._destination = destination
        self._now = now
        self._trouble = Trouble()
        self._answers = 0
        """How many answers of Pipedrive were taken into account."""
        self.entered = 0
        """How often publishing was paused by what was asked here."""
        self._until: datetime | None = None
        """Until when, as far as that is known here."""
        self._stored: bool | None = None
        """Whether there is a row of a pause, even one that is over; None before the first look."""

    async def current(self) -> Pause | None:
        """The pause that holds now, if any: gitpip's own, or a person's."""
        async with self._database.read() as transaction:
            if self._stored is None:
                known = await pauses.last_pause(transaction, pauses.PUBLISHING)
                self._stored = known is not None
                if self._stored:
                    self._trouble.resume()
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
        # A person may have ended it.
        self._until = pause.until if pause else None
        return pause

    def holds(self) -> bool:
        """Whether publishing is paused, as far as that is known without asking the database."""
        return self._until is not None and self._now() < self._until

    @property
    def probing(self) -> bool:
        """Whether the next request should go alone: it shows if a pause was long enough."""
        return self._trouble.probing

    def request(self, kind: Kind, subject: str, *, beside: int = 1) -> Request:
        """A request that starts now, perhaps with others `beside` it."""
        return Request(kind, subject, beside, self.entered)

    def own(self, outcome: Outcome, request: Request) -> Outcome:
        """The outcome of a write as it counts for its publication or deal; call it before `after`.

        See `Trouble.own`.
        """
        return self._trouble.own(outcome, request)

    async def failed(self, outcome: Outcome, request: Request) -> Outcome:
        """Pause publishing where a failure calls for it; the outcome as it counts for the request.

        That is of one publication, deal, target or activity: see `Trouble.limited`.
        """
        outcome = self._trouble.limited(outcome, request)
        await self.after(outcome, request)
        return outcome

    def suspected(self, subject: str) -> bool:
        """Whether this publication, deal or target failed, so that others are to go first."""
        return self._trouble.suspected(subject)

    async def after(self, outcome: Outcome | None, request: Request) -> Pause | None:
        """Pause publishing where an outcome calls for it; None stands for a successful read."""
        if outcome is None and self._destination.answers_received == self._answers:
            # What was read was known already: no request shows that the pause was long enough, and
            # the daily budget that was announced last may be full again.
            return None
        self._answers = self._destination.answers_received
        if self._is_known(outcome, request):
            if isinstance(outcome, Accepted) and request.kind is Kind.WRITE:
                self._trouble.accepted(request)
            return None
        pause = self._trouble.pause_after(outcome, request, self._now()) or self._reserve(outcome)
        if pause is not None:
            await self._enter(pause, outcome)
        elif self._stored and not self._trouble.probing:
            async with self._database.begin() as transaction:
                await pauses.clear_pause(transaction, pauses.PUBLISHING, self._now())
            self._stored = False
        return pause

    def _is_known(self, outcome: Outcome | None, request: Request) -> bool:
        """Whether it is an outcome of something that started before the last pause.

        What several requests meet at the same time is one fault, and a success from before says
        nothing about it. A longer pause than the one that holds is new.
        """
        if request.pauses_before is None or request.pauses_before == self.entered:
            return False
        wanted = getattr(outcome, "pause", None) or timedelta(0)
        return self._until is None or self._now() + wanted <= self._until + LATER

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
        self.entered += 1
        log.warning("publishing.paused", reason=pause.reason, until=pause.until)

    def _reserve(self, outcome: Outcome | None) -> Pause | None:
        remaining = self._destination.daily_remaining
        if isinstance(outcome, NotProcessed) or remaining is None or remaining >= DAILY_RESERVE:
            return None
        reason = f"Pipedrive's daily budget is used up except {remaining} tokens"
        return Pause(self._now() + DAILY_PAUSE, reason)


def cause_of(outcome: Outcome | None) -> PauseCause:
    """The cause of the pause that follows an outcome."""
    match outcome:
        case NotProcessed(access=True):
            return PauseCause.CREDENTIAL
        case NotProcessed(setting=True):
            return PauseCause.SETTING
        case Ambiguous(senseless=True):
            return PauseCause.FAULT
        case _:
            return PauseCause.VENDOR
