"""The state machine of a delivery: the next state and time of a row after an outcome.

A publication and a deal go the same way:

    pending → sending → published
                      → failed      refused for good, or tried too often
                      → pending     surely not processed: later
                      → uncertain   anything else: look before sending again

A publication of a flood begins as held, and is pending or skipped once a person has decided:

    held → pending
         → skipped

Pipedrive has no idempotency key. So if an outcome does not say whether the write happened, the only
proof is to look. Presence is quick: finding the write is conclusive, so the first look comes after
seconds, and further ones follow with growing gaps. Absence is slow: a request in flight can still
land, and a list can lag behind the writes. It is concluded only from a complete look that comes
long enough after the first one by the times of Pipedrive's own answers; our clocks can step.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitpip.backoff import backoff
from gitpip.clock import rounded_up
from gitpip.model import Change, PublicationState

MAX_ATTEMPTS = 8
"""The attempts of a delivery before it fails. A person can retry it after that."""
FIRST_LOOK = timedelta(seconds=2)
"""The wait before the first search after an ambiguous outcome, which finds a write that landed."""
GAPS = (timedelta(seconds=10), timedelta(seconds=50))
"""The waits before the searches after that. Then one comes when absence can be concluded. Each
costs 10 tokens, for all uncertain publications together. A write that did not arrive the first time
is most likely refused again: after a later attempt only the first and the last search come."""
LOOK_GRIDS = (
    (timedelta(hours=1), timedelta(minutes=15)),
    (timedelta(minutes=5), timedelta(minutes=5)),
    (timedelta(seconds=30), timedelta(seconds=30)),
    (timedelta(seconds=10), timedelta(seconds=5)),
    (timedelta(0), timedelta(seconds=1)),
)
"""The grids of times for searches: after at least the first wait, a search starts at a multiple of
the second time, so that one list serves many rows."""
SHORTEST_SEARCH_WAIT = timedelta(seconds=5)
"""The shortest wait after a search that failed."""
ABSENCE = timedelta(minutes=5)
"""The shortest time after the first search until absence is concluded, unless set otherwise.

Longer than a request of ours can be on its way, plus two minutes that a list may lag behind: see
`gitpip.config.validators.absence`.
"""
SEARCH_MAX_AGE = timedelta(seconds=10)
"""The age above which the last search must be repeated before something is sent again."""
LONGEST_LEASE = timedelta(seconds=10)
NO_TIME = (
    "the answer has no Date header, which gitpip needs to see that a request did not arrive; if "
    "you use a proxy for Pipedrive, let it pass this header on"
)

ORDINARY_REFUSALS = 4
"""Five refusals by a limit in a row come once in 243 times, if a third of the requests meet it."""

BAN_PAUSE = timedelta(minutes=5)
"""The pause after a 403 or 429 with an HTML page: the edge in front of the API may have banned this
client.

The edge may also refuse one request for its content, as firewalls do: see
`CircuitBreaker.refused_alone`.
"""
FIRST_SEND_RETRY = timedelta(minutes=1)
LONGEST_SEND_RETRY = timedelta(hours=6)
"""The longest wait between two attempts. With eight attempts, the last one starts some 18 hours
after the first."""


@dataclass(frozen=True)
class Accepted:
    """Pipedrive confirmed the write and gave it this id, or it was found under this id."""

    id: int


@dataclass(frozen=True)
class Refused:
    """Pipedrive understood and refused the write: sending the same again can't help."""

    reason: str

    def is_about(self, code: str, name: str = "") -> bool:
        """Return whether the field with this code and name was refused, as far as is known."""
        return False


@dataclass(frozen=True)
class Denied:
    """The write was certainly not processed, for a reason of this delivery or its deal alone.

    It is tried again, later each time, and fails after MAX_ATTEMPTS. The first `quick_retries` come
    without a wait.
    """

    reason: str
    quick_retries: int = 0


@dataclass(frozen=True)
class LimitedRequest(Denied):
    """One request meets a limit again and again, while others are answered."""


@dataclass(frozen=True)
class AnnouncedLimit:
    """The rate limit as the headers of a 429 describe it."""

    announced: timedelta | None
    """The time from now until the limit is said to reset."""
    daily_remaining: int | None
    """Tokens left of the daily budget, or None if the header is missing."""
    burst_remaining: int | None = None
    """Requests left of the burst limit, or None if the header is missing."""

    @property
    def is_used_up(self) -> bool:
        """Whether a header says that nothing is left: then every request meets the limit."""
        return 0 in {self.daily_remaining, self.burst_remaining}


@dataclass(frozen=True)
class NotProcessed:
    """The write was certainly not processed. `pause` is how long to wait.

    If `everyone` is set, all publishing waits, otherwise only this delivery.
    """

    reason: str
    pause: timedelta
    everyone: bool = True
    access: bool = False
    """Whether Pipedrive refuses the token or the account, as confirmed by `users/me`."""
    rate_limit: AnnouncedLimit | None = None
    """The rate limit, if it was a 429 of the API."""
    by_edge: bool = False
    """Whether the edge in front of the API refused it, with an HTML page."""
    look_first: bool = False
    """Whether another process may have sent it since, so that it must be searched for first."""
    unreachable: bool = False
    """Whether no connection to Pipedrive could be made."""
    untrusted: bool = False
    """Whether that is because this machine does not trust the certificate."""
    setting: bool = False
    """Whether the account lacks what a publishing setting names."""


@dataclass(frozen=True)
class Ambiguous:
    """The write may have been processed. `pause` is set if other requests would meet the same."""

    reason: str
    pause: timedelta | None = None
    by_edge: bool = False
    """Whether the edge in front of the API refused it, with an HTML page."""
    unintelligible: bool = False
    """Whether Pipedrive reported a success in an answer that gitpip can't interpret."""


Outcome = Accepted | Refused | Denied | NotProcessed | Ambiguous


@dataclass(frozen=True)
class Waits:
    """The waits that keep a delivery safe. `timeout` is that of the client."""

    timeout: timedelta
    absence: timedelta = ABSENCE
    """The time after the first search until another one that finds nothing proves absence."""

    @property
    def lease(self) -> timedelta:
        """The time that a row is being sent before other processes may search for it.

        A request may take longer: absence is only concluded after `absence`.
        """
        return min(2 * self.timeout + timedelta(seconds=1), LONGEST_LEASE)

    @property
    def claim(self) -> timedelta:
        """The time that a claim holds before it is sent. Losing it early does no harm."""
        return self.lease

    @property
    def latest_start(self) -> timedelta:
        """The time after taking its lease within which a request must start, or not at all."""
        return min(self.timeout, LONGEST_LEASE) / 2


@dataclass(frozen=True)
class Attempt:
    """The progress of the delivery of an uncertain row."""

    number: int
    """The number of the attempt, from 1."""
    looks: int
    """The number of complete searches that have found nothing since the outcome."""
    in_flight_until: datetime | None
    """The time, by Pipedrive's clock, before which a search that finds nothing proves nothing.

    None before the first search.
    """
    reason: str | None
    sent_at: datetime | None = None
    """The time at which it was last sent, by our clock."""


def after_sending(outcome: Outcome, *, attempt: int, now: datetime) -> Change:
    """Return the change of a row in `sending` (or one that could not be sent) after an outcome.

    `attempt` is the number of this attempt, from 1. An attempt that was certainly not processed for
    a reason outside the delivery is not counted.
    """
    match outcome:
        case Accepted(id=accepted_id):
            return Change(PublicationState.PUBLISHED, now, accepted_id=accepted_id, refusals=0)
        case Refused(reason=reason):
            return Change(PublicationState.FAILED, now, reason=reason)
        case Denied(reason=reason, quick_retries=quick):
            return retried(attempt, reason, now=now, quick_retries=quick)
        case NotProcessed(reason=reason, everyone=True):
            # The pause of all publishing delays it, and that may end early.
            return Change(PublicationState.PENDING, now, reason=reason, attempts=attempt - 1)
        case NotProcessed(reason=reason, pause=pause, look_first=look_first):
            later = Change(
                PublicationState.PENDING, now + pause, reason=reason, attempts=attempt - 1
            )
            return replace(later, looked_at=now - 2 * SEARCH_MAX_AGE) if look_first else later
        case Ambiguous(reason=reason):
            return uncertain(reason, now=now)


def after_refusal(
    change: Change, outcome: Outcome, *, attempt: int, refusals: int, alone: bool, now: datetime
) -> Change:
    """Return the `change` after an outcome, adjusted if the refusal concerns all requests.

    A limit says that all requests should wait. `refusals` is how many times in a row the row met it
    before. `alone` says that others were accepted since the last time. A row that meets the limit
    repeatedly while others pass is the cause. Then its attempts count: it waits longer each time,
    and fails in the end.
    """
    if not (isinstance(outcome, NotProcessed) and outcome.everyone):
        return replace(change, refusals=0)
    refusals += alone or not refusals
    if not alone or refusals <= ORDINARY_REFUSALS:
        return replace(change, refusals=refusals)
    reason = f"{outcome.reason}; others were accepted meanwhile, so only this one is rejected"
    counted = retried(attempt, reason, now=now)
    return replace(counted, refusals=refusals)


def was_refused(outcome: Outcome) -> bool:
    """Return whether a write was certainly not processed, and no other process may have sent it."""
    match outcome:
        case Refused() | Denied():
            return True
        case NotProcessed(look_first=look_first):
            return not look_first
        case _:
            return False


def outcome_for_others(outcome: Outcome, change: Change, *, alone: bool) -> Outcome:
    """Return the outcome as it counts for others, given the `change` from `after_refusal`.

    A row that is known to be refused alone does not make others wait.
    """
    known = alone and (change.refusals or 0) > ORDINARY_REFUSALS
    limit = outcome.rate_limit if isinstance(outcome, NotProcessed) else None
    if not known or limit is None or limit.is_used_up:
        return outcome
    return LimitedRequest(change.reason or "only this one is rejected")


def uncertain(reason: str, *, now: datetime, first_look: timedelta = FIRST_LOOK) -> Change:
    """Return the change of a row that may have been sent."""
    return Change(PublicationState.UNCERTAIN, _look_at(now, first_look), reason=reason)


def after_looking(
    found: int | None, attempt: Attempt, *, now: datetime, seen_at: datetime | None, waits: Waits
) -> Change:
    """Return the change of an uncertain row after a complete search that was due.

    `seen_at` is the time of the search by Pipedrive's clock. If Pipedrive does not tell it, a
    search that finds nothing proves nothing: our own clock can be wrong by hours, so it is never
    used.
    """
    if found is not None:
        return Change(PublicationState.PUBLISHED, now, accepted_id=found)
    if seen_at is None:
        return could_not_look(NO_TIME, attempt, sent_at=attempt.sent_at or now, now=now)
    if is_absent(attempt.in_flight_until, seen_at=seen_at, waits=waits):
        reason = attempt.reason or "it did not arrive"
        again = retried(attempt.number, reason, now=now, quick_retries=attempt.number)
        return replace(again, looked_at=now)
    until = attempt.in_flight_until or seen_at + waits.absence + _wait_before_next_attempt(
        attempt.number
    )
    left = until - seen_at
    gaps = GAPS if attempt.number == 1 else ()
    wait = min(gaps[attempt.looks], left) if attempt.looks < len(gaps) else left
    return Change(
        PublicationState.UNCERTAIN,
        _look_at(now, wait),
        looks=attempt.looks + 1,
        reason=attempt.reason,
        in_flight_until=until,
    )


def _wait_before_next_attempt(attempt: int) -> timedelta:
    """Return how long the last search waits for the next attempt, which follows it at once.

    So no other search is needed right before that attempt.
    """
    return timedelta(0) if attempt >= MAX_ATTEMPTS else retry_wait(attempt - 1)


def is_absent(in_flight_until: datetime | None, *, seen_at: datetime, waits: Waits) -> bool:
    """Return whether finding nothing at `seen_at` (Pipedrive's clock) proves absence."""
    return seen_at >= (in_flight_until or seen_at + waits.absence)


def could_not_look(
    failure: str,
    attempt: Attempt,
    *,
    sent_at: datetime,
    now: datetime,
    ends_with_pause: bool = False,
) -> Change:
    """Return the change of a row whose search failed. That proves nothing.

    The wait grows with the time since the first search, or since the last one (which shows absence)
    was due. So a list that always fails costs ever less, and one that fails once delays nothing.
    With `ends_with_pause`, only the pause of all publishing delays the row.
    """
    last = attempt.in_flight_until
    # That time is by another clock. If that is wrong, the wait grows with the age of the attempt.
    since = last if last is not None and sent_at < last <= now else sent_at
    return Change(
        PublicationState.UNCERTAIN,
        now if ends_with_pause else now + _wait_of((now - since) / 2),
        looks=attempt.looks,
        reason=f"gitpip could not check whether it arrived: {failure}",
        in_flight_until=attempt.in_flight_until,
    )


def could_not_look_again(
    failure: str, *, looked_at: datetime | None, now: datetime, ends_with_pause: bool = False
) -> Change:
    """Return the change of a row to be sent again, after the search right before that failed.

    Nothing was sent, so no attempt is counted. The wait doubles, counted from `looked_at`, the last
    search that did not fail. With `ends_with_pause`, only the pause of all publishing delays it.
    """
    wait = timedelta(0) if ends_with_pause else _wait_of(now - (looked_at or now))
    reason = f"gitpip could not check whether it arrived before sending it again: {failure}"
    return Change(PublicationState.PENDING, now + wait, reason=reason, not_looked_for=True)


def _wait_of(age: timedelta) -> timedelta:
    return min(max(age, SHORTEST_SEARCH_WAIT), LONGEST_SEND_RETRY)


def is_fresh(looked_at: datetime | None, now: datetime) -> bool:
    """Return whether the last search is recent. A clock that went back makes it an old one."""
    return looked_at is not None and timedelta(0) <= now - looked_at <= SEARCH_MAX_AGE


def retried(
    attempt: int,
    reason: str,
    *,
    now: datetime,
    at_least: timedelta = timedelta(0),
    quick_retries: int = 0,
    first: timedelta = FIRST_SEND_RETRY,
) -> Change:
    """Return the change after an attempt that certainly did not succeed: another one, or failed.

    The first `quick_retries` wait no longer than `at_least`. The next one waits for `first`.
    """
    if attempt >= MAX_ATTEMPTS:
        return Change(
            PublicationState.FAILED,
            now,
            reason=f"given up after {attempt} attempts; the last one: {reason}",
        )
    wait = max(at_least, retry_wait(attempt - quick_retries, first))
    return Change(PublicationState.PENDING, now + wait, reason=reason, attempts=attempt)


def retry_wait(attempts: int, first: timedelta = FIRST_SEND_RETRY) -> timedelta:
    """Return how long to wait after failed attempts: `first`, then four times as long each time."""
    if attempts < 1:
        return timedelta(0)
    return backoff(attempts, first, LONGEST_SEND_RETRY, factor=4)


def _look_at(now: datetime, wait: timedelta) -> datetime:
    grid = next(grid for at_least, grid in LOOK_GRIDS if wait >= at_least)
    return rounded_up(now + wait, grid)
