"""A limit of simultaneous users of a resource, so that heavy use leaves enough for others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta


class Share:
    """A number of places. Callers wait for one in the order of asking, for a limited time."""

    def __init__(self, size: int, wait: timedelta, busy: Callable[[], Exception]) -> None:
        """`busy` returns the error for callers that waited for `wait`."""
        self._places = asyncio.Semaphore(size)
        self._wait = wait.total_seconds()
        self._busy = busy

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place while the block lasts. Raises the error of `busy`."""
        try:
            async with asyncio.timeout(self._wait):
                await self._places.acquire()
        except TimeoutError as error:
            raise self._busy() from error
        try:
            yield
        finally:
            self._places.release()
