"""What GitHub's headers allow, shared fairly: how many requests, when, and for whom.

The rules are those of https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from gitpip.errors import GitHubLimited
from gitpip.outgoing import http_date

IN_FLIGHT = 4
SHORTEST_WAIT = timedelta(seconds=1)
SECONDARY_WAIT = timedelta(seconds=60)
LONGEST_WAIT = timedelta(days=1)
MINUTE = 60.0
MOST_A_MINUTE = {"core": 900, "graphql": 2000}


@dataclass(frozen=True)
class Budget:
    """What is left of one of GitHub's hourly limits: of `limit`, we use up to `ours`."""

    resource: str
    limit: int
    ours: int
    remaining: int
    """Of the whole limit, whoever used the rest."""
    resets_at: datetime


class Limits:
    """One hourly limit of GitHub's (`core` or `graphql`), and the secondary one of a minute.

    Of the hourly limit at most `share` (0 to 1) is used, and `reserve` of these requests are kept
    for those who ask for room with `reserved`. Waits are differences of the server's own times, so
    a wrong local clock does no harm. As long as nothing is known, one request goes alone to learn
    what is left.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        resource: str = "core",
        share: float = 1.0,
        reserve: int = 0,
    ) -> None:
        self.now = now
        self._resource = resource
        self._share = share
        self._in_flight = 0
        self._freed = asyncio.Event()
        self._sent: deque[float] = deque()
        self.begin(reserve=reserve)

    def begin(self, *, reserve: int) -> None:
        """Forget what is known: the limit is another token's from now on."""
        self._reserve = reserve
        self._left: float | None = None
        self._limit = 0
        self._window: str | None = None
        self._resets_at: datetime | None = None
        self._until: datetime | None = None
        self._refusals = 0
        self._freed.set()

    @property
    def budget(self) -> Budget | None:
        """What is left; None as long as GitHub said nothing, or where it has no limit."""
        if self._resets_at is None:
            return None
        fresh = self.now() >= self._resets_at
        return Budget(
            resource=self._resource,
            limit=self._limit,
            ours=int(self._limit * self._share),
            remaining=self._limit if fresh else int(self._left or 0) + self._others_part,
            resets_at=self._resets_at,
        )

    @asynccontextmanager
    async def room(self, *, reserved: bool = False) -> AsyncIterator[None]:
        """Wait for room for one more request; raises GitHubLimited when none may be sent."""
        while self._in_flight >= self._allowed(reserved):
            self._freed.clear()
            await self._freed.wait()
        self._in_flight += 1
        try:
            await self._pace()
            yield
        finally:
            self._in_flight -= 1
            self._freed.set()

    def learn(self, headers: Mapping[str, str], server_now: datetime | None) -> None:
        """Take in what an answer of the API says of the limits."""
        remaining = number(headers.get("x-ratelimit-remaining"))
        window = headers.get("x-ratelimit-reset")
        if remaining is None:
            # Where GitHub told of limits before, this is an edge's answer, which knows of none.
            if self._resets_at is None and self._until is None:
                self._left = float("inf")
            return
        self._limit = int(number(headers.get("x-ratelimit-limit")) or self._limit)
        left = remaining - self._others_part
        # Answers overtake each other: within a window, the smallest figure is the latest.
        if window == self._window and self._left is not None:
            left = min(left, self._left)
        self._left, self._window = left, window
        wait = self._wait_for_reset(headers, server_now)
        self._resets_at = self.now() + wait
        if left <= 0:
            self.wait(wait)

    def accepted(self) -> None:
        """Take in that GitHub answered as asked."""
        self._refusals = 0

    def refused(self, headers: Mapping[str, str], server_now: datetime | None) -> GitHubLimited:
        """The error for a refusal: `retry-after`, else the reset, else a minute and growing."""
        after = headers.get("retry-after")
        if after is not None and (wait := _retry_after(after, server_now or self.now())):
            self.wait(wait)
        elif headers.get("x-ratelimit-remaining") == "0":
            self.wait(self._wait_for_reset(headers, server_now))
        elif self._until is None or self._until <= self.now():
            self.wait(SECONDARY_WAIT * 2**self._refusals)
            self._refusals += 1
        return self._limited()

    def wait(self, wait: timedelta) -> None:
        """Send nothing for so long from now on."""
        until = self.now() + min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)
        self._until = max(self._until or until, until)
        self._freed.set()

    @property
    def _others_part(self) -> int:
        """What is left to others who use the same token."""
        return ceil(self._limit * (1 - self._share) - 1e-9)

    def _allowed(self, reserved: bool) -> float:
        if self._until is not None:
            if self.now() < self._until:
                raise self._limited()
            self._until = self._left = None
        if self._left is None:
            return 1
        left = self._left if reserved else self._left - self._reserve
        if left <= 0 and self._resets_at is not None:
            if self.now() < self._resets_at:
                raise GitHubLimited(self._used_up(self._resets_at), self._resets_at, self._resource)
            self._left = None
            return 1
        return min(left, IN_FLIGHT)

    async def _pace(self) -> None:
        """Stay below the secondary limit of a minute, where there are limits."""
        if self._resets_at is None:
            return
        most = MOST_A_MINUTE[self._resource] * self._share
        clock = asyncio.get_running_loop().time
        while True:
            while self._sent and self._sent[0] <= clock() - MINUTE:
                self._sent.popleft()
            if len(self._sent) < most:
                break
            await asyncio.sleep(self._sent[0] + MINUTE - clock())
        self._sent.append(clock())

    def _wait_for_reset(self, headers: Mapping[str, str], server_now: datetime | None) -> timedelta:
        reset = number(headers.get("x-ratelimit-reset"))
        if reset is None:
            return SECONDARY_WAIT
        # Both times are cut to whole seconds, hence one second more.
        wait = timedelta(seconds=reset - (server_now or self.now()).timestamp()) + SHORTEST_WAIT
        return min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)

    def _limited(self) -> GitHubLimited:
        until = self._until or self.now()
        return GitHubLimited(self._used_up(until), until, self._resource)

    @staticmethod
    def _used_up(until: datetime) -> str:
        return f"GitHub's rate limit is used up until {until:%Y-%m-%d %H:%M:%S} UTC"


def number(text: str | None) -> float | None:
    """The number of a header; None where there is none, or it is none."""
    return float(text) if text and text.isascii() and text.isdigit() else None


def _retry_after(text: str, server_now: datetime) -> timedelta | None:
    seconds = number(text)
    if seconds is not None:
        return timedelta(seconds=min(seconds, LONGEST_WAIT.total_seconds())) or SHORTEST_WAIT
    date = http_date(text)
    return max(date - server_now, SHORTEST_WAIT) if date else None
