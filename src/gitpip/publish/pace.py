"""How fast Pipedrive may be asked: its burst limit, kept from our side."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta

from gitpip.outgoing import http_date

WINDOW = timedelta(seconds=2)
"""Pipedrive counts the requests of a rolling window of two seconds."""
SMALLEST_LIMIT = 20
"""The limit of the smallest plan holds until the headers announce another."""
LONGEST_WAIT = timedelta(minutes=1)
"""What is announced beyond that is no burst limit; a refusal will name the pause."""
EARLIEST_EPOCH = 1_000_000_000
"""A larger number of seconds is no wait but a time (2001 or later), as other APIs announce it."""
DAILY_TOKENS = 30_000
"""The daily budget of the smallest plan with one seat."""
ACTIVITY_TOKENS = 5


def shortest_time(activities: int) -> timedelta:
    """How long so many activities take at the least, on the smallest plan with one seat."""
    whole_days = max(activities * ACTIVITY_TOKENS - 1, 0) // DAILY_TOKENS
    return whole_days * timedelta(days=1) + activities % (DAILY_TOKENS // ACTIVITY_TOKENS) * (
        WINDOW / SMALLEST_LIMIT
    )


class Pace:
    """Lets requests go one after the other, so that no window ever holds more than its limit.

    A request is counted from its end: when the server saw it is unknown, but not later than that.
    `rest` is how long to wait before the first request, for a predecessor's requests to age.
    `clock` tells seconds that never go back.
    """

    def __init__(self, rest: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limit = SMALLEST_LIMIT
        self._ended: deque[float] = deque()
        self._not_before = clock() + rest.total_seconds()

    async def wait(self) -> None:
        """Return when a request may start."""
        if delay := self.delay():
            await asyncio.sleep(delay.total_seconds())

    def delay(self) -> timedelta:
        """How long a request has to wait from now on; no time where it may start."""
        start = self._not_before
        # One request of the limit is left to others who use the token.
        excess = len(self._ended) - (self._limit - 2)
        if excess > 0:
            start = max(start, self._ended[excess - 1] + WINDOW.total_seconds())
        return timedelta(seconds=max(0.0, start - self._clock()))

    def note_end(self, headers: Mapping[str, str] | None) -> None:
        """Count a request that has ended, with its answer's headers where there was an answer."""
        now = self._clock()
        self._ended.append(now)
        while self._ended and self._ended[0] < now - WINDOW.total_seconds():
            self._ended.popleft()
        if headers is None:
            return
        limit = number(headers, "x-ratelimit-limit")
        remaining = number(headers, "x-ratelimit-remaining")
        if limit is not None and limit >= 1:
            self._limit = max(limit, 3)
        if remaining is not None and remaining <= 1:
            reset = seconds_left(headers, "x-ratelimit-reset")
            wait = min(max(reset or 0, WINDOW.total_seconds()), LONGEST_WAIT.total_seconds())
            self._not_before = now + wait


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
    text = headers.get(name, "").strip()
    return int(text) if re.fullmatch("[0-9]{1,11}", text) else None
