"""The pace of requests to Pipedrive, which keeps to its burst limit."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta

from gitpip.http_client import http_date
from gitpip.publish.token_costs import BURST_WINDOW, SMALLEST_BURST
from gitpip.vendor_values import header_number

HUNG = timedelta(seconds=4)
"""The age at which a request without an answer was seen by the server, or never will be."""
USAGE_REMEMBERED_FOR = timedelta(seconds=10)
"""The time for which the number of requests by others is assumed to continue."""
ANSWERS_COMPARED = 9
SPREAD = 0.8
"""Two requests keep at least this part of the distance that an even spread would give them."""
OTHERS_VARY = 10
"""The part of the limit (a tenth) that others may use beyond what they were seen to use."""
LONGEST_BURST_WAIT = timedelta(minutes=1)
"""The longest announced wait that can be a burst limit. A refusal will name a longer pause."""
EARLIEST_EPOCH = 1_000_000_000
"""The smallest number of seconds that is a time (2001 or later), as other APIs announce it, and not
a wait."""


class CountedTurn:
    """Permission to make one request. It counts from the moment it was given until it has aged."""

    def __init__(self, pace: "RateLimiter", started: float) -> None:
        self._pace = pace
        self.started = started
        self.ended: float | None = None

    def end(self, headers: Mapping[str, str] | None) -> None:
        """Note that the request has ended, with the headers of its answer if there was one."""
        self._pace.note_end(self, headers)

    def give_back(self) -> None:
        """Return the permission unused. Does nothing if a request was made."""
        self._pace.forget(self)

    @property
    def leaves(self) -> float:
        """The time, by the limiter's clock, when it has left every window of the server."""
        ended = self.started + HUNG.total_seconds() if self.ended is None else self.ended
        return ended + BURST_WINDOW.total_seconds()


class RateLimiter:
    """Lets requests go, several at once, so that no window ever holds more than its limit.

    The time at which the server saw a request is unknown, so a request counts while it is under way
    and for a window after. The share of the limit that others use is left to them, as far as the
    headers show it.

    `rest` is how long to wait before the first request, so that a predecessor's requests age.
    `clock` returns seconds that never go back.
    """

    def __init__(
        self,
        rest: timedelta,
        clock: Callable[[], float] = time.monotonic,
        *,
        limit: int = SMALLEST_BURST,
    ) -> None:
        self._clock = clock
        self.limit = limit
        """The number of requests in a window, as last announced."""
        self._turns: list[CountedTurn] = []
        self._seen: deque[int] = deque(maxlen=ANSWERS_COMPARED)
        """The number of others' requests in the window, by each of the last answers."""
        self._others: deque[tuple[float, int]] = deque()
        """The times at which others' requests were seen in the window, with their number."""
        self._not_before = clock() + rest.total_seconds()
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()

    async def turn(self) -> CountedTurn:
        """Wait until a request may start, and count it. The first caller gets the first turn."""
        async with self._line:
            while delay := self.delay():
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay.total_seconds()):
                        await self._changed.wait()
            return self.begin()

    def begin(self) -> CountedTurn:
        """Count a request that starts now. There must be no `delay`."""
        turn = CountedTurn(self, self._clock())
        self._turns.append(turn)
        return turn

    def delay(self) -> timedelta:
        """Return how long a request has to wait, unless one ends earlier; 0 if not at all."""
        now, start = self._clock(), self._not_before
        reserve = self._reserve(now)
        allowed = max(self.limit - reserve, 1)
        leaving = sorted(turn.leaves for turn in self._turns if turn.leaves > now)
        if len(leaving) >= allowed:
            start = max(start, leaving[len(leaving) - allowed])
        # One is left to others even if none of theirs was seen: otherwise none could ever be seen.
        allowed = max(self.limit - max(reserve, 1), 1)
        window = BURST_WINDOW.total_seconds()
        aging = [turn.started + window for turn in self._turns if turn.started + window > now]
        if len(aging) >= allowed:
            start = max(start, aging[len(aging) - allowed])
        if aging:
            # If all requests came at the beginning of a window, others would have nothing for its
            # rest.
            start = max(start, aging[-1] - window + window / allowed * SPREAD)
        return timedelta(seconds=max(0.0, start - now))

    def forget(self, turn: CountedTurn) -> None:
        """Stop counting a request that was not made."""
        if turn.ended is None and turn in self._turns:
            self._turns.remove(turn)
            self._changed.set()

    def note_end(self, turn: CountedTurn, headers: Mapping[str, str] | None) -> None:
        """End a turn, and learn the usage of others from the headers of the answer.

        See `CountedTurn.end`.
        """
        now = turn.ended = self._clock()
        self._changed.set()
        oldest = now - 2 * BURST_WINDOW.total_seconds()
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
            wait = min(
                max(reset or 0, BURST_WINDOW.total_seconds()), LONGEST_BURST_WAIT.total_seconds()
            )
            self._not_before = now + wait

    def _reserve(self, now: float) -> int:
        """Return how many requests of a window are left to others with the same token."""
        while self._others and self._others[0][0] < now - USAGE_REMEMBERED_FOR.total_seconds():
            self._others.popleft()
        if not self._others:
            return 1
        most = max(number for _, number in self._others)
        return most + self.limit // OTHERS_VARY if most else 0

    def _ours_around(self, turn: CountedTurn) -> int:
        """Return how many of our requests were in the server's window when it answered this one.

        This assumes that the server saw each request equally long after its start. Since that
        varies, it can be wrong by a few, which the median of several answers is not.
        """
        since = turn.started - BURST_WINDOW.total_seconds()
        # The turn itself may have been dropped in the meantime, as one that hung.
        others = (each for each in self._turns if each is not turn)
        return 1 + sum(since < each.started <= turn.started for each in others)


def seconds_left(headers: Mapping[str, str], name: str) -> int | None:
    """Return how many seconds a header announces, also if it holds the end as an epoch time.

    An epoch time is compared with the answer's own `Date`, or else with the clock.
    """
    value = number(headers, name)
    if value is None or value < EARLIEST_EPOCH:
        return value
    date = http_date(headers.get("date"))
    return max(value - int(date.timestamp() if date else time.time()), 0)


def number(headers: Mapping[str, str], name: str) -> int | None:
    """Return a header's whole number, or None if it is missing or not a number."""
    return header_number(headers.get(name))
