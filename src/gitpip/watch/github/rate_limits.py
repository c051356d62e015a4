"""The rate limits in GitHub's headers: how many requests may be sent, when, and for which users.

The rules are those of https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from gitpip.backoff import backoff
from gitpip.clock import day_and_clock
from gitpip.errors import GitHubLimited
from gitpip.http_client import http_date
from gitpip.store.status.rate_limits import RateLimit
from gitpip.vendor_values import header_number
from gitpip.watch.github.shared_limits import SharedLimits

IN_FLIGHT = 8
SHORTEST_WAIT = timedelta(seconds=1)
SECONDARY_WAIT = timedelta(seconds=60)
LONGEST_LIMIT_WAIT = timedelta(days=1)
MINUTE = timedelta(seconds=60)
MOST_A_MINUTE = {"core": 900, "graphql": 2000}
SPARE_A_MINUTE = 150
"""The requests of a minute that can be used for what is not urgent. The rest is reserved."""
BLOCKS_A_MINUTE = 18
"""The most that a process reserves at a time: a minute's requests divided by this."""
SMALLEST_BLOCK = 2
USED_UP = "GitHub's rate limit is used up until"
LONGEST_GROWTH = 2**12
"""The largest factor by which a wait grows that doubles with each refusal in a row."""


@dataclass(frozen=True)
class Budget:
    """The remainder of one of GitHub's hourly limits. Of `limit`, we use up to `ours`."""

    resource: str
    limit: int
    ours: int
    remaining: int
    """The remainder of the whole limit, no matter who used the rest."""
    resets_at: datetime

    @property
    def spare(self) -> int:
        """The number of ours left beyond half of them, for what can wait."""
        return max(self.remaining - (self.limit - self.ours) - self.ours // 2, 0)


@dataclass(frozen=True)
class Allowance:
    """The part of GitHub's limits that a client may use."""

    share: float = 1.0
    """The share, from 0 to 1."""
    shared: SharedLimits | None = None
    """The usage and waits of other processes, or None if this process is alone."""
    minute: timedelta = MINUTE
    """The window of GitHub's secondary limit."""


WHOLE_ALLOWANCE = Allowance()


class GitHubLimits:
    """One hourly limit of GitHub (`core` or `graphql`), and the secondary limit of a minute.

    At most `share` (0 to 1) of the hourly limit is used, and `reserve` of these requests are kept
    for callers that ask for room with `reserved`. Waits are differences of the server's own times,
    so a wrong local clock does no harm. As long as nothing is known, one request goes alone to
    learn what is left.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        resource: str = "core",
        allowance: Allowance = WHOLE_ALLOWANCE,
    ) -> None:
        """`begin` must be called to say whose limits these are: nothing is known yet."""
        self.now = now
        self.ahead = timedelta(0)
        """The lead of our clock over the server's at its last answer with a date."""
        self._resource = resource
        self._share = allowance.share
        self._shared = allowance.shared
        self._minute = allowance.minute
        self._reserving = asyncio.Lock()
        self._in_flight = 0
        self._freed = asyncio.Event()
        self._sent: deque[float] = deque()
        self.begin(credential="", reserve=0)

    def begin(self, *, credential: str, reserve: int) -> None:
        """Forget what is known, because the limit is that of another token from now on.

        `credential` is the token's fingerprint, `reserve` the number of requests reserved for what
        is urgent.
        """
        self._credential = credential
        self._reserve = reserve
        self._block = 0
        self._block_ends = 0.0
        self._block_size = SMALLEST_BLOCK
        self._untold = False
        self._left: float | None = None
        self._limit = 0
        self._window: str | None = None
        self._resets_at: datetime | None = None
        self._until: datetime | None = None
        self._refusals = 0
        self._refused_until: datetime | None = None
        self._freed.set()

    @property
    def budget(self) -> Budget | None:
        """The remainder, or None while GitHub has said nothing, or if it has no limit."""
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
        """Wait for room for one more request; raises GitHubLimited if none may be sent."""
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
        """Take in what an answer of the API says about the limits."""
        remaining = header_number(headers.get("x-ratelimit-remaining"))
        window = headers.get("x-ratelimit-reset")
        if remaining is None:
            # GitHub sent limits before, so this answer is from an edge server, which knows none.
            if self._resets_at is None and self._until is None:
                self._left = float("inf")
            return
        self._limit = header_number(headers.get("x-ratelimit-limit")) or self._limit
        left: float = remaining - self._others_part
        # Answers overtake each other: within a window, the smallest number is the latest.
        if window == self._window and self._left is not None:
            left = min(left, self._left)
        self._left, self._window = left, window
        wait = self._wait_for_reset(headers, server_now)
        self._resets_at = self.now() + wait
        if left <= 0:
            self.wait(wait)

    def accepted(self) -> None:
        """Note a normal answer. An answer to a request that was sent before a wait says nothing."""
        if self._refusals and (self._refused_until is None or self.now() >= self._refused_until):
            self._refusals = 0
            self._untold = True

    def refused(self, headers: Mapping[str, str], server_now: datetime | None) -> GitHubLimited:
        """Return the error for a refusal: `retry-after`, or else the reset, or else a minute.

        A wait that proved too short gets longer: at least a second, and twice as long after each
        further refusal. A request that is refused during a wait was sent before it.
        """
        told = self.announced(headers, server_now)
        if told is None and headers.get("x-ratelimit-remaining") == "0":
            told = self._wait_for_reset(headers, server_now)
        if self._refused_until is None or self.now() >= self._refused_until:
            least = SHORTEST_WAIT if told is not None else SECONDARY_WAIT
            self._refusals += 1
            told = max(told or least, backoff(self._refusals, least, least * LONGEST_GROWTH))
            self._refused_until = self.now() + told
        if told is not None:
            self.wait(told)
        return self._limited()

    def announced(
        self, headers: Mapping[str, str], server_now: datetime | None
    ) -> timedelta | None:
        """Return how long an answer says to wait in `retry-after`, or None if it says nothing."""
        after = headers.get("retry-after")
        return None if after is None else _retry_after(after, server_now or self._now_there)

    def wait(self, wait: timedelta) -> None:
        """Send nothing for that long from now on."""
        until = self.now() + min(max(wait, SHORTEST_WAIT), LONGEST_LIMIT_WAIT)
        self._until = max(self._until or until, until)
        self._untold = True
        self._freed.set()

    async def tell(self) -> None:
        """Tell other processes of a wait, or that it is over. Raises DatabaseUnavailable."""
        if self._shared is not None and self._untold:
            self._untold = False
            await self._shared.note_wait(
                self._shared_limit, until=self._until, refusals=self._refusals
            )

    @property
    def _others_part(self) -> int:
        """The part left to others who use the same token."""
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
                raise GitHubLimited(
                    f"{USED_UP} {day_and_clock(self._resets_at, seconds=True)}",
                    self._resets_at,
                    self._resource,
                )
            self._left = None
            return 1
        return min(left, IN_FLIGHT)

    async def _pace(self) -> None:
        """Stay below the secondary limit of a minute, if there are limits."""
        most = max(int(MOST_A_MINUTE[self._resource] * self._share), 1)
        if self._shared is not None and self._left != float("inf"):
            async with self._reserving:
                await self._take_reserved(self._shared, most)
            return
        if self._resets_at is None:
            return
        clock = asyncio.get_running_loop().time
        minute = self._minute.total_seconds()
        while True:
            while self._sent and self._sent[0] <= clock() - minute:
                self._sent.popleft()
            if len(self._sent) < most:
                break
            await asyncio.sleep(self._sent[0] + minute - clock())
        self._sent.append(clock())

    async def _take_reserved(self, shared: SharedLimits, most: int) -> None:
        """Take one of the requests that this process has reserved, or reserve more of them.

        A reservation is good for a twelfth of a minute, and GitHub may see its last request a bit
        later, so it counts for more than a minute. The reservations of a killed process count as
        used.
        """
        clock = asyncio.get_running_loop().time
        if self._block == 0 or clock() >= self._block_ends:
            good_for, margin = self._minute / 12, self._minute / 60
            used_up = self._block == 0 and clock() < self._block_ends
            largest = max(most // BLOCKS_A_MINUTE, 1)
            self._block = 0
            self._block_size = min(2 * self._block_size if used_up else SMALLEST_BLOCK, largest)
            while self._block == 0:
                asked_at = clock()
                got = await shared.reserve(
                    self._shared_limit,
                    wanted=self._block_size,
                    most=most,
                    window=self._minute + good_for + margin,
                )
                self._refusals = got.refusals
                if got.until is not None:
                    self._until = got.until
                    raise self._limited()
                self._block, self._block_ends = got.granted, asked_at + good_for.total_seconds()
                if not got.granted:
                    await asyncio.sleep(got.wait.total_seconds())
        self._block -= 1

    def _wait_for_reset(self, headers: Mapping[str, str], server_now: datetime | None) -> timedelta:
        reset = header_number(headers.get("x-ratelimit-reset"))
        if reset is None:
            return SECONDARY_WAIT
        # One second more, because both times are cut to whole seconds.
        left = reset - (server_now or self._now_there).timestamp()
        wait = timedelta(seconds=left) + SHORTEST_WAIT
        return min(max(wait, SHORTEST_WAIT), LONGEST_LIMIT_WAIT)

    @property
    def _shared_limit(self) -> RateLimit:
        return RateLimit(self._credential, self._resource)

    @property
    def _now_there(self) -> datetime:
        """The present time by the server's clock, as far as known, if an answer has no date."""
        return self.now() - self.ahead

    def _limited(self) -> GitHubLimited:
        until = self._until or self.now()
        if self._left is not None and self._left <= 0:
            why = USED_UP
        elif self._left is not None or self._refusals:
            why = "GitHub asked to wait until"
        else:  # another process was told to wait
            why = "GitHub's rate limits allow no request until"
        return GitHubLimited(f"{why} {day_and_clock(until, seconds=True)}", until, self._resource)


def _retry_after(text: str, server_now: datetime) -> timedelta | None:
    seconds = header_number(text)
    if seconds is not None:
        return max(
            timedelta(seconds=min(seconds, LONGEST_LIMIT_WAIT.total_seconds())), SHORTEST_WAIT
        )
    date = http_date(text)
    return min(max(date - server_now, SHORTEST_WAIT), LONGEST_LIMIT_WAIT) if date else None
