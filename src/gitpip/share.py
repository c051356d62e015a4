"""How many do something at a time, so that those who ask for much leave the others enough."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta


class Share:
    """A number of places; who finds none waits in the order of asking, for a bounded time."""

    def __init__(self, size: int, wait: timedelta, busy: Callable[[], Exception]) -> None:
        """`busy`: what to raise for those who waited for `wait`."""
        self._places = asyncio.Semaphore(size)
        self._wait = wait.total_seconds()
        self._busy = busy

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for as long as the block lasts. Raises what `busy` gives."""
        try:
            async with asyncio.timeout(self._wait):
                await self._places.acquire()
        except TimeoutError as error:
            raise self._busy() from error
        try:
            yield
        finally:
            self._places.release()
