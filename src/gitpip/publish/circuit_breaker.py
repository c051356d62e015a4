"""The decision to pause all publishing: what failed requests say about the next requests.

A failure that is about one publication or deal never pauses the others. Only these do: a refused
token, a limit, an API that can't be reached, and different publications failing in a row, with no
success between: two that the edge refuses are a ban. A row fails alone if others were accepted
meanwhile. It also does if it meets a limit for a second time with others answered between, unless a
header says that the limit is used up. Its next failures are not counted. After a pause the next
request is a probe: publishing is paused again, for longer, if it fails, and a success ends the
trouble.
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
    AnnouncedLimit,
    Denied,
    LimitedRequest,
    NotProcessed,
    Outcome,
)
from gitpip.publish.token_costs import LIST_TOKENS

LONGEST_PUBLISHING_PAUSE = timedelta(minutes=30)
LONGEST_TROUBLE = timedelta(minutes=5)
"""The longest pause for an API that fails or can't be reached: a probe is one request."""
TROUBLE_PAUSE = timedelta(seconds=1)
DIFFERENT_FAILURES = 3
"""The number of different publications that must fail in a row to show a fault of Pipedrive."""
OUTCOMES_KEPT = 30
SMALL_SHARE = 0.1
"""The share of recent requests up to which failures count as chance, even in a row."""
BANNED = 2
"""The number of different requests refused by the edge in a row that counts as a ban."""
MAX_REMEMBERED = 1_000
KNOWN_ALONE = -1
"""The value instead of a count if others were answered in the meantime, which stays true."""
TROUBLE_LASTS = timedelta(minutes=15)
"""The age above which failures say nothing about the next request."""
DAILY_PAUSE = timedelta(minutes=30)
"""The pause if the daily budget is used up. The reset is at midnight of an unnamed time zone, so it
is tried now and then."""
LONGEST_UNEXPLAINED = timedelta(minutes=1)
TRUSTED_RESETS = 3
"""The number of refusals in a row after which the announced resets have proved too short."""
INFERRED_AFTER = timedelta(minutes=3)
"""Refusals for this long, without a header that says otherwise, mean the daily budget."""
INFERRED_REFUSALS = 5


class RequestKind(StrEnum):
    """The kind of a request: reads can fail while writes work, and the other way round."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Request:
    """A request. Its `subject` tells one publication or deal from another."""

    kind: RequestKind
    subject: str
    beside: int = 1
    """The number of requests that could be under way at the same time and meet the same fault."""
    pauses_before: int | None = None
    """The number of pauses before it started; None means all of them."""


@dataclass
class _Failures:
    subjects: set[str] = field(default_factory=set)
    """The subjects that failed in a row, with no success between."""
    pauses: int = 0
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=OUTCOMES_KEPT))
    """Whether each of the last requests failed."""

    def end(self) -> None:
        """Note that a request succeeded."""
        self.subjects, self.pauses = set(), 0
        self.recent.append(False)

    def are_few(self) -> bool:
        """Return whether the failures are a small share of the recent requests."""
        return sum(self.recent) <= SMALL_SHARE * len(self.recent)


class CircuitBreaker:
    """The failures since the last success, and how long to wait because of them."""

    def __init__(self) -> None:
        self._failures = {kind: _Failures() for kind in RequestKind}
        self._refusals = 0
        self._limits = 0
        self._limited_since: datetime | None = None
        self._failed_at: datetime | None = None
        self._failed: dict[str, int] = {}
        """The writes that failed, each with the number of others accepted until then."""
        self._accepted = 0
        """The number of writes accepted."""
        self._refused_by_edge: dict[str, int] = {}
        """The requests that the edge refused, each with the number of writes accepted
        until then."""
        self._reads_refused: set[str] = set()
        """The reads that the edge refused since the last successful read."""
        self._met_limit: dict[str, int] = {}
        """The requests that met a limit, each with the number of requests answered until then."""
        self._answered = 0
        """The number of requests answered normally."""

    @property
    def probing(self) -> bool:
        """Whether the next request shows if a pause was long enough, so that it should go alone."""
        return self._refusals > 0 or any(kind.pauses for kind in self._failures.values())

    def resume(self) -> None:
        """Continue after a pause that another process left: the next request is a probe."""
        self._refusals = max(self._refusals, 1)

    def suspected(self, subject: str) -> bool:
        """Return whether this publication, deal or target failed since its last success."""
        limited = any(_about(kind, subject) in self._met_limit for kind in RequestKind)
        return limited or subject in self._refused_by_edge or subject in self._failed

    def was_refused(self, request: Request) -> bool:
        """Return whether a limit or the edge refused the same since it was last answered."""
        about = _about(request.kind, request.subject)
        return about in self._met_limit or request.subject in self._refused_by_edge

    def refused_alone(self, outcome: Outcome, request: Request) -> Outcome:
        """Return the outcome of a write, changed if the edge refuses only this one.

        If others were accepted since the edge last refused this one, its content is the reason.
        """
        before = self._refused_by_edge.get(request.subject)
        if before is None or before == self._accepted or self.probing:
            return outcome
        alone = "others were accepted meanwhile, so a firewall rejects only this one by its content"
        match outcome:
            case NotProcessed(by_edge=True):
                return Denied(f"{outcome.reason}; {alone}")
            case Ambiguous(by_edge=True):
                reason = f"{outcome.reason}; {alone}"
                return replace(outcome, reason=reason, pause=None, by_edge=False)
            case _:
                return outcome

    def limited_alone(self, outcome: Outcome, request: Request) -> Outcome:
        """Return the outcome, changed if only this request meets a limit.

        Call it for each outcome of a request for one publication, deal, target or activity.
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
        reason = f"{outcome.reason}; others are answered meanwhile, so only this one is rejected"
        return LimitedRequest(reason)

    def accepted(self, request: Request) -> None:
        """Note an accepted write. It says nothing about requests that started after it."""
        self._accepted += 1
        self._refused_by_edge.pop(request.subject, None)
        self._failed.pop(request.subject, None)

    def pause_after(self, outcome: Outcome | None, request: Request, now: datetime) -> Pause | None:
        """Return the pause that an outcome needs. The outcome None is a successful read."""
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
                if outcome.unintelligible:
                    # An unreadable success still shows that the budget is not used up.
                    self._limits, self._limited_since = 0, None
                return self._ambiguous(outcome, request, now)
            case _:
                if outcome is None or isinstance(outcome, Accepted):
                    self._answered += 1
                    self._met_limit.pop(_about(request.kind, request.subject), None)
                if isinstance(outcome, Accepted) and request.kind is RequestKind.WRITE:
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
            self._failures = {kind: _Failures() for kind in RequestKind}
            self._failed_at = None

    def _succeeded(self, kind: RequestKind, *, sure: bool) -> None:
        self._refusals, self._limits, self._limited_since = 0, 0, None
        if sure:
            self._failures[kind].end()

    def _edge_refused(
        self, outcome: NotProcessed | Ambiguous, request: Request, now: datetime
    ) -> Pause | None:
        _remember(self._refused_by_edge, request.subject, self._accepted)
        if request.kind is RequestKind.READ:
            self._reads_refused.add(request.subject)
        # A page with 403 may be for the content of this one: the next one shows whether it is a
        # ban. A page with 429 concerns all requests.
        if isinstance(outcome, Ambiguous) and not self.probing and self._first_refused():
            return None
        failures = self._failures[request.kind]
        failures.subjects.add(request.subject)
        failures.pauses += 1
        wait = backoff(failures.pauses, outcome.pause or BAN_PAUSE, LONGEST_PUBLISHING_PAUSE)
        # The pause may be longer than failures are remembered.
        self._failed_at = now + wait
        return Pause(now + wait, outcome.reason)

    def _first_refused(self) -> bool:
        """Return whether the edge refused nothing else in a row with this one."""
        return sum(at == self._accepted for at in self._refused_by_edge.values()) < BANNED

    def _refused(self, outcome: NotProcessed, now: datetime) -> Pause:
        self._refusals += 1
        if outcome.rate_limit is not None:
            return self._limited(outcome, outcome.rate_limit, now)
        self._limits, self._limited_since = 0, None
        at_most = LONGEST_PUBLISHING_PAUSE if outcome.access else LONGEST_TROUBLE
        wait = backoff(self._refusals, outcome.pause, max(outcome.pause, at_most))
        return Pause(now + wait, outcome.reason)

    def _limited(self, outcome: NotProcessed, limit: AnnouncedLimit, now: datetime) -> Pause:
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
        believed = backoff(self._limits, LONGEST_UNEXPLAINED, LONGEST_PUBLISHING_PAUSE)
        pause = min(outcome.pause, believed)
        wait = backoff(self._limits - trusted + 1, pause, max(pause, LONGEST_UNEXPLAINED))
        return Pause(now + wait, outcome.reason)

    def _ambiguous(self, outcome: Ambiguous, request: Request, now: datetime) -> Pause | None:
        failures = self._failures[request.kind]
        if self._fails_alone(request):
            return None
        # If the same publication fails again, that says nothing about the others.
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
        return Pause(now + wait, outcome.reason)

    def _fails_alone(self, request: Request) -> bool:
        """Note a failure; return whether others were accepted since this one failed before."""
        if request.kind is RequestKind.READ:
            return False
        before = self._failed.get(request.subject, self._refused_by_edge.get(request.subject))
        _remember(self._failed, request.subject, self._accepted if before is None else before)
        return before is not None and before != self._accepted


def _about(kind: RequestKind, subject: str) -> str:
    return f"{kind} {subject}"


def _remember(counts: dict[str, int], subject: str, count: int) -> None:
    if subject not in counts and len(counts) >= MAX_REMEMBERED:
        del counts[next(iter(counts))]
    counts[subject] = count
