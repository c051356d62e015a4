"""When all publishing has to pause: what failing requests say about the requests to come.

A failure that is about one publication or deal never pauses the others. Only these do: a refused
token, a limit, an API that can't be reached, and different publications failing in a row, with no
success between: two that the edge refuses are a ban. What failed while others were accepted is
known to fail alone; its next failures are not counted. So is what meets a limit for a second time,
with others answered between, unless a header says that the limit is used up.
After a pause the next request is a probe: publishing is paused again, for longer, if it fails, and
a success ends the trouble.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gitpip.backoff import backoff
from gitpip.model import Pause
from gitpip.publish.delivery import (
    BAN_PAUSE,
    Accepted,
    Ambiguous,
    Denied,
    LimitedAlone,
    NotProcessed,
    Outcome,
    RateLimit,
)
from gitpip.publish.token_costs import LIST_TOKENS

LONGEST_PAUSE = timedelta(minutes=30)
LONGEST_TROUBLE = timedelta(minutes=5)
"""Enough for an API that fails or is not reached: a probe is one request."""
TROUBLE_PAUSE = timedelta(seconds=1)
DIFFERENT_FAILURES = 3
"""How many different publications, failing in a row, are trouble of Pipedrive's own."""
RECENT = 30
SMALL_SHARE = 0.1
"""No more failures than this share of the recent requests are chance, also in a row."""
BANNED = 2
"""How many different requests that the edge refuses in a row are a ban of everybody."""
REMEMBERED = 1_000
KNOWN_ALONE = -1
"""In the place of a count: others were answered meanwhile, and always will have been."""
TROUBLE_LASTS = timedelta(minutes=15)
"""Failures older than this say nothing about the next request."""
DAILY_PAUSE = timedelta(minutes=30)
"""The reset is at midnight of an unnamed time zone, so it is tried now and then."""
LONGEST_UNEXPLAINED = timedelta(minutes=1)
TRUSTED_RESETS = 3
"""After so many refusals in a row the announced resets have proved too short."""
INFERRED_AFTER = timedelta(minutes=3)
"""Refusals over this time, without a header that says otherwise, mean the daily budget."""
INFERRED_REFUSALS = 5


class Kind(StrEnum):
    """Whether a request changes something; the ones can fail while the others work."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Request:
    """What a request was for: its `subject` tells one publication or deal from another."""

    kind: Kind
    subject: str
    beside: int = 1
    """How many could be under way at the same time: they can all meet one fault."""
    pauses_before: int | None = None
    """How many pauses there had been when it started; None says: all."""


@dataclass
class _Failures:
    subjects: set[str] = field(default_factory=set)
    """In a row, with no success between."""
    pauses: int = 0
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT))
    """Whether each of the last requests failed."""

    def end(self) -> None:
        """A request succeeded."""
        self.subjects, self.pauses = set(), 0
        self.recent.append(False)

    def are_few(self) -> bool:
        """Whether they are a small share of the recent requests."""
        return sum(self.recent) <= SMALL_SHARE * len(self.recent)


class Trouble:
    """What went wrong since the last success, and how long to wait because of that."""

    def __init__(self) -> None:
        self._failures = {kind: _Failures() for kind in Kind}
        self._refusals = 0
        self._limits = 0
        self._limited_since: datetime | None = None
        self._failed_at: datetime | None = None
        self._failed: dict[str, int] = {}
        """The writes that failed: how many others had been accepted until then."""
        self._accepted = 0
        """How many writes were accepted."""
        self._refused_by_edge: dict[str, int] = {}
        """What the edge refused: how many writes had been accepted until then."""
        self._reads_refused: set[str] = set()
        """What the edge refused to show, since the last read that succeeded."""
        self._met_limit: dict[str, int] = {}
        """What met a limit: how many requests had been answered as asked until then."""
        self._answered = 0
        """How many requests were answered as asked."""

    @property
    def probing(self) -> bool:
        """Whether the next request shows if a pause was long enough, so it should go alone."""
        return self._refusals > 0 or any(kind.pauses for kind in self._failures.values())

    def resume(self) -> None:
        """Go on after a pause that another process left behind: the next request is a probe."""
        self._refusals = max(self._refusals, 1)

    def suspected(self, subject: str) -> bool:
        """Whether this publication, deal or target failed since it was last accepted or read."""
        limited = any(_about(kind, subject) in self._met_limit for kind in Kind)
        return limited or subject in self._refused_by_edge or subject in self._failed

    def own(self, outcome: Outcome, request: Request) -> Outcome:
        """The outcome of a write, told from a ban of everybody where the edge refuses it alone.

        If others were accepted since the edge refused it before, its content is what is refused.
        """
        before = self._refused_by_edge.get(request.subject)
        if before is None or before == self._accepted or self.probing:
            return outcome
        alone = (
            "others were accepted meanwhile, so the edge refuses this one alone, for its content"
        )
        match outcome:
            case NotProcessed(by_edge=True):
                return Denied(f"{outcome.reason}; {alone}")
            case Ambiguous(by_edge=True):
                reason = f"{outcome.reason}; {alone}"
                return replace(outcome, reason=reason, pause=None, by_edge=False)
            case _:
                return outcome

    def limited(self, outcome: Outcome, request: Request) -> Outcome:
        """The outcome, told from a limit of everybody's where this request meets it alone.

        Call it for each outcome of what is asked for one publication, deal, target or activity.
        """
        if not isinstance(outcome, NotProcessed) or outcome.rate_limit is None:
            return outcome
        about = _about(request.kind, request.subject)
        before = self._met_limit.get(about)
        alone = before is not None and before != self._answered and not self.probing
        if not alone or outcome.rate_limit.is_used_up:
            _remember(self._met_limit, about, self._answered if before is None else before)
            return outcome
        self._met_limit[about] = KNOWN_ALONE
        reason = f"{outcome.reason}; others are answered meanwhile, so this one alone is refused"
        return LimitedAlone(reason)

    def accepted(self, request: Request) -> None:
        """Note a write that was accepted; it says nothing about what started after it."""
        self._accepted += 1
        self._refused_by_edge.pop(request.subject, None)
        self._failed.pop(request.subject, None)

    def pause_after(self, outcome: Outcome | None, request: Request, now: datetime) -> Pause | None:
        """The pause that an outcome calls for; the outcome None stands for a successful read."""
        self._forget_old(now)
        match outcome:
            case NotProcessed(by_edge=True) | Ambiguous(by_edge=True):
                return self._edge_refused(outcome, request, now)
            case NotProcessed(everyone=True):
                return self._refused(outcome, now)
            case NotProcessed():
                return None
            case Ambiguous():
                self._failed_at = now
                return self._ambiguous(outcome, request, now)
            case _:
                if outcome is None or isinstance(outcome, Accepted):
                    self._answered += 1
                    self._met_limit.pop(_about(request.kind, request.subject), None)
                if isinstance(outcome, Accepted) and request.kind is Kind.WRITE:
                    self.accepted(request)
                elif outcome is None:
                    self._read(request)
                self._succeeded(request.kind, sure=not isinstance(outcome, Denied))
                return None

    def _read(self, request: Request) -> None:
        """Note a successful read: no refused read from before is in a row with the next one."""
        for subject in {request.subject, *self._reads_refused}:
            self._refused_by_edge.pop(subject, None)
        self._reads_refused.clear()

    def _forget_old(self, now: datetime) -> None:
        if self._failed_at is not None and now - self._failed_at > TROUBLE_LASTS:
            self._failures = {kind: _Failures() for kind in Kind}
            self._failed_at = None

    def _succeeded(self, kind: Kind, *, sure: bool) -> None:
        self._refusals, self._limits, self._limited_since = 0, 0, None
        if sure:
            self._failures[kind].end()

    def _edge_refused(
        self, outcome: NotProcessed | Ambiguous, request: Request, now: datetime
    ) -> Pause | None:
        _remember(self._refused_by_edge, request.subject, self._accepted)
        if request.kind is Kind.READ:
            self._reads_refused.add(request.subject)
        # A page with 403 may be for the content of this one: the next one shows whether it is a
        # ban. One with 429 is about everybody.
        if isinstance(outcome, Ambiguous) and not self.probing and self._first_refused():
            return None
        failures = self._failures[request.kind]
        failures.subjects.add(request.subject)
        failures.pauses += 1
        wait = backoff(failures.pauses, outcome.pause or BAN_PAUSE, LONGEST_PAUSE)
        # The pause may be longer than failures are remembered.
        self._failed_at = now + wait
        return Pause(now + wait, outcome.reason)

    def _first_refused(self) -> bool:
        """Whether the edge refused nothing else in a row with this one."""
        return sum(at == self._accepted for at in self._refused_by_edge.values()) < BANNED

    def _refused(self, outcome: NotProcessed, now: datetime) -> Pause:
        self._refusals += 1
        if outcome.rate_limit is not None:
            return self._limited(outcome, outcome.rate_limit, now)
        self._limits, self._limited_since = 0, None
        at_most = LONGEST_PAUSE if outcome.access else LONGEST_TROUBLE
        wait = backoff(self._refusals, outcome.pause, max(outcome.pause, at_most))
        return Pause(now + wait, outcome.reason)

    def _limited(self, outcome: NotProcessed, limit: RateLimit, now: datetime) -> Pause:
        self._limits += 1
        since = self._limited_since = self._limited_since or now
        if limit.daily_remaining is not None and limit.daily_remaining < LIST_TOKENS:
            return Pause(now + DAILY_PAUSE, f"{outcome.reason}; the daily budget is used up")
        unexplained = now - since >= INFERRED_AFTER and self._limits >= INFERRED_REFUSALS
        if limit.daily_remaining is None and unexplained:
            reason = f"{outcome.reason}, again and again; the daily budget seems to be used up"
            return Pause(now + DAILY_PAUSE, reason)
        trusted = TRUSTED_RESETS if limit.announced is not None else 1
        # A burst lasts for seconds: a longer wait than a minute has to be confirmed by refusals.
        believed = backoff(self._limits, LONGEST_UNEXPLAINED, LONGEST_PAUSE)
        pause = min(outcome.pause, believed)
        wait = backoff(self._limits - trusted + 1, pause, max(pause, LONGEST_UNEXPLAINED))
        return Pause(now + wait, outcome.reason)

    def _ambiguous(self, outcome: Ambiguous, request: Request, now: datetime) -> Pause | None:
        failures = self._failures[request.kind]
        if self._fails_alone(request):
            return None
        # The same publication failing again says nothing about the others.
        again = request.subject in failures.subjects
        failures.subjects.add(request.subject)
        failures.recent.append(True)
        probe = failures.pauses > 0 or self._refusals > 0
        enough = max(DIFFERENT_FAILURES, request.beside)
        if again or not (probe or (len(failures.subjects) >= enough and not failures.are_few())):
            return None
        failures.pauses += 1
        pause = outcome.pause or TROUBLE_PAUSE
        wait = backoff(failures.pauses, pause, max(pause, LONGEST_TROUBLE))
        return Pause(
            now + wait,
            f"Pipedrive fails for different publications; the last one: {outcome.reason}",
        )

    def _fails_alone(self, request: Request) -> bool:
        """Note a failure, and say whether others were accepted since this one failed before."""
        if request.kind is Kind.READ:
            return False
        before = self._failed.get(request.subject, self._refused_by_edge.get(request.subject))
        _remember(self._failed, request.subject, self._accepted if before is None else before)
        return before is not None and before != self._accepted


def _about(kind: Kind, subject: str) -> str:
    return f"{kind} {subject}"


def _remember(counts: dict[str, int], subject: str, count: int) -> None:
    if subject not in counts and len(counts) >= REMEMBERED:
        del counts[next(iter(counts))]
    counts[subject] = count
