"""Turns: a limit of requests of one caller at a time, so that many of one delay no others.

Requests get the processor and the connections in the order in which they arrive. Without this, a
caller with 60 requests at a time stands before everybody else 60 times.
"""

from asyncio import Semaphore
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from starlette.types import Message, Send

MAX_CONCURRENT = 4
"""Browsers send at most six requests to a host at a time, most of them for files, which need no
turn."""


class Turns:
    """Runs MAX_CONCURRENT requests of each caller at a time, in order."""

    def __init__(self) -> None:
        self._places: dict[str, Semaphore] = {}
        self._asking: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, caller: str, send: Send) -> AsyncIterator[Send]:
        """Wait for the caller's turn; what to send the answer with.

        The turn ends when the answer begins: the time that a client takes to receive it is no work.
        """
        places = self._places.setdefault(caller, Semaphore(MAX_CONCURRENT))
        self._asking[caller] += 1
        turn = ExitStack()

        async def send_and_end(message: Message) -> None:
            turn.close()
            await send(message)

        try:
            await places.acquire()
            with turn:
                turn.callback(places.release)
                yield send_and_end
        finally:
            self._asking[caller] -= 1
            if not self._asking[caller]:
                del self._asking[caller], self._places[caller]
