"""A cache for expensive reads: a recent result is given to all callers, so that it is read once."""

import asyncio
import math
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
        self._last: tuple[Read, float, float] | None = None
        """The result, and when its reading began and ended, on the monotonic clock."""
        self._changed = -math.inf
        """When what is read changed; a result whose reading began before is not kept."""

    async def read(self) -> Read:
        """Return a result that was read at most `kept_for` ago. Raises what `fresh` raises."""
        async with self._reading:
            if (kept := self._kept(self._kept_for)) is not None:
                return kept[0]
            began = time.monotonic()
            value = await self._fresh()
            self._last = value, began, time.monotonic()
            return value

    def last(self, within: timedelta) -> Read | None:
        """Return the last result if it is younger than `within`, without reading; otherwise None.

        This is for callers that show an older result at once and call `read` after their answer,
        as with `stale-while-revalidate` (RFC 5861).
        """
        kept = self._kept(within.total_seconds())
        return kept and kept[0]

    def forget(self) -> None:
        """Let the next caller read again, because what is read has changed."""
        self._changed = time.monotonic()

    def _kept(self, seconds: float) -> tuple[Read, float, float] | None:
        if self._last is None:
            return None
        _, began, ended = self._last
        recent = time.monotonic() < ended + seconds and began > self._changed
        return self._last if recent else None
