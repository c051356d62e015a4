"""A cache for expensive reads: a recent result is given to all callers, so that it is read once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

Read = TypeVar("Read")


class TimedCache(Generic[Read]):
    """Reads by `fresh`, one at a time, and keeps the result for `kept_for`."""

    def __init__(self, fresh: Callable[[], Awaitable[Read]], kept_for: timedelta) -> None:
        self._fresh = fresh
        self._kept_for = kept_for.total_seconds()
        self._reading = asyncio.Lock()
        self._last: tuple[Read, float] | None = None
        """The result, and the end of the time for which it is kept, on the monotonic clock."""

    async def read(self) -> Read:
        """Return a result that is at most `kept_for` old. Raises what `fresh` raises."""
        async with self._reading:
            if self._last is None or time.monotonic() >= self._last[1]:
                value = await self._fresh()
                self._last = value, time.monotonic() + self._kept_for
            return self._last[0]
