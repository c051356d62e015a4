"""How many requests are under way at once, and whose."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable

from gitpip.model import UserKey

LOOKS_AT_ONCE = 2
"""How many looks are under way at once, and how many deals' lists of all of them together."""
SENDS_PER_LOOK = 5
"""Looks go beside what is sent, and not instead of it: one for so many, after the first few."""


class Flight:
    """The tasks of one run. It begins with one request, and adds one for each that succeeds.

    So a ban, a refused token or an outage is met by one request, and a second later there are as
    many under way as the limit allows. Each failure halves their number.
    """

    def __init__(self) -> None:
        self._width = 1.0
        self._sends: dict[asyncio.Task[None], UserKey] = {}
        self._looks: set[asyncio.Task[None]] = set()
        self._looks_due = float(LOOKS_AT_ONCE)
        self.done = 0
        """How many tasks have ended."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is under way."""
        return not self._sends and not self._looks

    @property
    def sends(self) -> bool:
        """Whether a publication is under way."""
        return bool(self._sends)

    @property
    def width(self) -> int:
        """How many publications may be under way."""
        return int(self._width)

    def room(self, limit: int) -> int:
        """How many more publications may be sent now, under a burst limit."""
        return max(min(self.width, limit) - len(self._sends), 0)

    def crowded(self, limit: int, waiting: Iterable[UserKey] = ()) -> set[UserKey]:
        """Users that have enough under way for now: if theirs hang, others get through.

        With what is `waiting` to be sent counted, too, those that need no more.
        """
        counted = Counter([*self._sends.values(), *waiting])
        return {user for user, number in counted.items() if number >= _share(limit)}

    def fitting(self, waiting: Iterable[UserKey], limit: int) -> int:
        """How many of these users' publications can be sent before their users have enough."""
        counted, number = Counter(self._sends.values()), 0
        for user in waiting:
            counted[user] += 1
            number += counted[user] <= _share(limit)
        return number

    def looks_wanted(self, *, sends_wait: bool) -> int:
        """How many more looks may start now; each can be in several deals."""
        room = LOOKS_AT_ONCE - len(self._looks)
        return min(room, int(self._looks_due)) if sends_wait else room

    def send(self, work: Coroutine[None, None, None], user_key: UserKey) -> None:
        """Start sending a publication."""
        self._sends[asyncio.ensure_future(work)] = user_key
        self._looks_due = min(self._looks_due + 1 / SENDS_PER_LOOK, LOOKS_AT_ONCE)

    def look(self, work: Coroutine[None, None, None]) -> None:
        """Start a look."""
        self._looks.add(asyncio.ensure_future(work))
        self._looks_due = max(self._looks_due - 1, 0)

    def succeeded(self, limit: int) -> None:
        """A request succeeded: one more may be under way, up to the burst limit."""
        self._width = min(self._width + 1, max(limit, 1))

    def failed(self) -> None:
        """A request failed: half as many may be under way."""
        self._width = max(self._width / 2, 1)

    def stopped(self) -> None:
        """All publishing pauses: it begins again with one request."""
        self._width = 1.0

    async def one_ends(self) -> None:
        """Return when at least one task has ended. Raises what it raised."""
        ended, _ = await asyncio.wait(
            {*self._sends, *self._looks}, return_when=asyncio.FIRST_COMPLETED
        )
        for task in ended:
            self._sends.pop(task, None)
            self._looks.discard(task)
            self.done += 1
        for task in ended:
            task.result()

    async def land(self) -> None:
        """Wait for what is under way; if this is cancelled, cancel it."""
        tasks = {*self._sends, *self._looks}
        if not tasks:
            return
        try:
            await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _share(limit: int) -> int:
    """How many of one user's may be under way."""
    return max(limit - limit // 4, 1)
