"""How fast Pipedrive may be asked: its burst limit, kept from our side."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta

from gitpip.http_client import http_date
from gitpip.publish.token_costs import ACTIVITY_TOKENS, DAILY_TOKENS
from gitpip.vendor_values import header_number

WINDOW = timedelta(seconds=2)
"""Pipedrive counts the requests of a rolling window of two seconds."""
SMALLEST_LIMIT = 20
"""The limit of the smallest plan holds until the headers announce another."""
HUNG = timedelta(seconds=4)
"""A request without an answer for so long was seen by the server, or never will be."""
REMEMBERED = timedelta(seconds=10)
"""How long what others used is taken for what they will use."""
ANSWERS_COMPARED = 9
SPREAD = 0.8
"""Two requests are so much of the time apart that they are if they are spread evenly."""
OTHERS_VARY = 10
"""Others may use a tenth of the limit more than they were seen to use."""
LONGEST_WAIT = timedelta(minutes=1)
"""What is announced beyond that is no burst limit; a refusal will name the pause."""
EARLIEST_EPOCH = 1_000_000_000
"""A larger number of seconds is no wait but a time (2001 or later), as other APIs announce it."""


def shortest_time(activities: int) -> timedelta:
    """How long so many activities take at the least, on the smallest plan with one seat."""
    whole_days = max(activities * ACTIVITY_TOKENS - 1, 0) // DAILY_TOKENS
    return whole_days * timedelta(days=1) + activities % (DAILY_TOKENS // ACTIVITY_TOKENS) * (
        WINDOW / SMALLEST_LIMIT
    )


class Turn:
    """Leave to make one request: it counts from the moment it was given until it has aged."""

    def __init__(self, pace: "RateLimiter", started: float) -> None:
        self._pace = pace
        self.started = started
        self.ended: float | None = None

    def end(self, headers: Mapping[str, str] | None) -> None:
        """The request has ended, with its answer's headers where there was an answer."""
        self._pace.note_end(self, headers)

    def give_back(self) -> None:
        """No request was made; nothing happens if one was."""
        self._pace.forget(self)

    @property
    def leaves(self) -> float:
        """The time, by the limiter's clock, when it has left every window of the server."""
        ended = self.started + HUNG.total_seconds() if self.ended is None else self.ended
        return ended + WINDOW.total_seconds()


class RateLimiter:
    """Lets requests go, several at once, so that no window ever holds more than its limit.

    When the server saw a request is unknown, so it counts as long as it is under way and for a
    window after. What others use of the same limit is left to them, as far as the headers tell.

    `rest` is how long to wait before the first request, for a predecessor's requests to age.
    `clock` tells seconds that never go back.
    """

    def __init__(
        self,
        rest: timedelta,
        clock: Callable[[], float] = time.monotonic,
        *,
        limit: int = SMALLEST_LIMIT,
    ) -> None:
        self._clock = clock
        self.limit = limit
        """How many requests a window holds, as last announced."""
        self._turns: list[Turn] = []
        self._seen: deque[int] = deque(maxlen=ANSWERS_COMPARED)
        """How many requests of others were in the window, by each of the last answers."""
        self._others: deque[tuple[float, int]] = deque()
        """When so many requests of others were seen in the window."""
        self._not_before = clock() + rest.total_seconds()
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()

    async def turn(self) -> Turn:
        """Wait until a request may start, and count it. The first caller gets the first turn."""
        async with self._line:
            while delay := self.delay():
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay.total_seconds()):
                        await self._changed.wait()
            return self.begin()

    def begin(self) -> Turn:
        """Count a request that starts now; there must be no `delay`."""
        turn = Turn(self, self._clock())
        self._turns.append(turn)
        return turn

    def delay(self) -> timedelta:
        """How long a request has to wait from now on, unless one ends earlier; 0 if not at all."""
        now, start = self._clock(), self._not_before
        reserve = self._reserve(now)
        allowed = max(self.limit - reserve, 1)
        leaving = sorted(turn.leaves for turn in self._turns if turn.leaves > now)
        if len(leaving) >= allowed:
            start = max(start, leaving[len(leaving) - allowed])
        # One is left to others also while nobody is seen: else they could never be seen.
        allowed = max(self.limit - max(reserve, 1), 1)
        window = WINDOW.total_seconds()
        aging = [turn.started + window for turn in self._turns if turn.started + window > now]
        if len(aging) >= allowed:
            start = max(start, aging[len(aging) - allowed])
        if aging:
            # All of a window's requests at its beginning would leave others nothing for its rest.
            start = max(start, aging[-1] - window + window / allowed * SPREAD)
        return timedelta(seconds=max(0.0, start - now))

    def forget(self, turn: Turn) -> None:
        """Count a request no more that was not made."""
        if turn.ended is None and turn in self._turns:
            self._turns.remove(turn)
            self._changed.set()

    def note_end(self, turn: Turn, headers: Mapping[str, str] | None) -> None:
        """End a turn, and learn from the answer's headers what others use; see `Turn.end`."""
        now = turn.ended = self._clock()
        self._changed.set()
        oldest = now - 2 * WINDOW.total_seconds()
        self._turns = [each for each in self._turns if each.leaves > oldest]
        if headers is None:
            return
        limit = number(headers, "x-ratelimit-limit")
        remaining = number(headers, "x-ratelimit-remaining")
        if limit is not None and limit >= 1:
            self.limit = max(limit, 3)
        if remaining is None:
            return
        ours = self._ours_around(turn)
        self._seen.append(self.limit - remaining - ours)
        others = sorted(self._seen)[len(self._seen) // 2]
        self._others.append((now, max(others, 0)))
        if remaining <= 1 and ours <= self.limit / 2:
            # Others have used it up, or the limit is one of a longer time.
            reset = seconds_left(headers, "x-ratelimit-reset")
            wait = min(max(reset or 0, WINDOW.total_seconds()), LONGEST_WAIT.total_seconds())
            self._not_before = now + wait

    def _reserve(self, now: float) -> int:
        """How many requests of a window are left to others who use the token."""
        while self._others and self._others[0][0] < now - REMEMBERED.total_seconds():
            self._others.popleft()
        if not self._others:
            return 1
        most = max(number for _, number in self._others)
        return most + self.limit // OTHERS_VARY if most else 0

    def _ours_around(self, turn: Turn) -> int:
        """How many requests of ours were in the server's window when it answered one.

        As if the server saw each as long after its start; since that varies, it can be wrong by a
        few, which the middle one of several answers is not.
        """
        since = turn.started - WINDOW.total_seconds()
        # The turn itself may have been dropped meanwhile, as one that hung.
        others = (each for each in self._turns if each is not turn)
        return 1 + sum(since < each.started <= turn.started for each in others)


def seconds_left(headers: Mapping[str, str], name: str) -> int | None:
    """How many seconds a header announces; also where it holds the time of the end, as an epoch.

    Such a time is compared with the answer's own `Date`, else with the clock.
    """
    value = number(headers, name)
    if value is None or value < EARLIEST_EPOCH:
        return value
    date = http_date(headers.get("date"))
    return max(value - int(date.timestamp() if date else time.time()), 0)


def number(headers: Mapping[str, str], name: str) -> int | None:
    """A header's whole number, or None where it is missing or none."""
    return header_number(headers.get(name))
