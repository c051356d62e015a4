"""How often each caller may do something, counted by this process for itself."""

import time

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


class Throttle:
    """Counts what callers do, and says when one has to wait."""

    def __init__(self, limit: RateLimitItem) -> None:
        self.limit = limit
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def pause(self, caller: str) -> int | None:
        """For how many seconds a caller has to wait; None for one who need not."""
        if self._limiter.test(self.limit, caller):
            return None
        free_at = self._limiter.get_window_stats(self.limit, caller).reset_time
        return max(1, round(free_at - time.time()))

    def count(self, caller: str) -> None:
        """Count that a caller did it once more."""
        self._limiter.hit(self.limit, caller)
