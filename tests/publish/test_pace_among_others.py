"""Several requests at once fill the limit, and leave others what they use of it."""

import heapq
import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from gitpip.publish.pipedrive.rate_limit import CountedTurn, RateLimiter
from gitpip.publish.token_costs import BURST_WINDOW
from tests.publish.test_pace import Seconds

SECONDS = 26.0
WARM_UP = 6.0
"""So long nobody can know of the others."""
W = BURST_WINDOW.total_seconds()


@dataclass
class Server:
    """Counts requests in a rolling window, of us and of others who are as steady as can be."""

    limit: int
    others: float
    """How many a second."""
    seen: deque[float] = field(default_factory=deque)
    refused: int = 0
    _asked_by_others: int = 0

    def remaining(self, now: float) -> int:
        """What is left after a request of ours that is seen now."""
        while self._asked_by_others < (now - 1000) * self.others:
            self._count(1000 + self._asked_by_others / self.others)
            self._asked_by_others += 1
        self._count(now)
        return self.limit - len(self.seen)

    def _count(self, at: float) -> None:
        warm_up = at < 1000 + WARM_UP
        while self.seen and self.seen[0] <= at - W:
            self.seen.popleft()
        if len(self.seen) >= self.limit:
            self.refused += not warm_up
        else:
            self.seen.append(at)


def rate(limit: int, latency: float, others: float = 0, jitter: float = 0) -> tuple[float, int]:
    """The rate in percent of the limit over the second half, and how many were refused.

    Time passes without waiting: from one event to the next.
    """
    clock, server, chance = Seconds(), Server(limit, others), random.Random(5)
    pace = RateLimiter(BURST_WINDOW - BURST_WINDOW, clock)
    under_way: list[tuple[float, float, CountedTurn, int]] = []
    number = late = 0
    while clock.now < 1000 + SECONDS:
        wait = pace.delay().total_seconds()
        if wait and not (under_way and under_way[0][0] <= clock.now + wait):
            clock.now += wait
        elif wait:
            clock.now, _, turn, remaining = heapq.heappop(under_way)
            turn.end({"x-ratelimit-limit": str(limit), "x-ratelimit-remaining": str(remaining)})
        else:
            number += 1
            late += clock.now > 1000 + SECONDS / 2
            seen = server.remaining(clock.now)
            end = clock.now + latency + chance.random() * jitter
            heapq.heappush(under_way, (end, number, pace.begin(), seen))
    return 100 * late / (SECONDS / 2) / (limit / W), server.refused


@pytest.mark.parametrize(
    ("limit", "latency", "at_least"),
    [(20, 0.1, 90), (20, 0.25, 85), (120, 0.1, 90), (120, 0.25, 85)],
)
@pytest.mark.parametrize("jitter", [0, 0.05])
def test_several_requests_at_once_fill_the_limit(
    limit: int, latency: float, at_least: float, jitter: float
) -> None:
    percent, refused = rate(limit, latency - jitter / 2, jitter=jitter)
    assert percent >= at_least
    assert refused == 0


@pytest.mark.parametrize("limit", [20, 40, 120])
@pytest.mark.parametrize("latency", [0.02, 0.1, 0.25])
@pytest.mark.parametrize("jitter", [0, 0.05])
def test_half_of_the_limit_is_left_to_others_who_use_it(
    limit: int, latency: float, jitter: float
) -> None:
    percent, refused = rate(limit, latency, others=limit / 2 / W, jitter=jitter)
    assert percent >= 25
    assert refused == 0
