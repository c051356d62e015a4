"""The number of requests under way at once, in total and for each user."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable

from gitpip.model import UserKey

LOOKS_AT_ONCE = 2
"""The most searches under way at once, and the most lists of deals read by all of them together."""
SENDS_PER_LOOK = 5
"""The sends for each search, after the first few: searches run with sends, not instead of them."""


class RunningTasks:
    """The tasks of one run. It begins with one request, and adds one for each success.

    So a ban, a refused token or an outage is met by one request, and a second later as many as the
    limit allows are under way. Each failure halves their number.
    """

    def __init__(self) -> None:
        self._width = 1.0
        self._sends: dict[asyncio.Task[None], UserKey] = {}
        self._looks: set[asyncio.Task[None]] = set()
        self._looks_due = float(LOOKS_AT_ONCE)
        self.done = 0
        """The number of tasks that have ended."""

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
        """The number of publications that may be under way."""
        return int(self._width)

    def room(self, limit: int) -> int:
        """Return how many more publications may be sent now, under a burst limit."""
        return max(min(self.width, limit) - len(self._sends), 0)

    def crowded(self, limit: int, waiting: Iterable[UserKey] = ()) -> set[UserKey]:
        """Return users with enough requests under way: if theirs hang, those of others get through.

        With `waiting` (the users of publications waiting to be sent), these count, too.
        """
        counted = Counter([*self._sends.values(), *waiting])
        return {user for user, number in counted.items() if number >= _share(limit)}

    def fitting(self, waiting: Iterable[UserKey], limit: int) -> int:
        """Return how many of these publications can be sent before their users have enough."""
        counted, number = Counter(self._sends.values()), 0
        for user in waiting:
            counted[user] += 1
            number += counted[user] <= _share(limit)
        return number

    def looks_wanted(self, *, sends_wait: bool) -> int:
        """Return how many more searches may start now. Each can be in several deals."""
        room = LOOKS_AT_ONCE - len(self._looks)
        return min(room, int(self._looks_due)) if sends_wait else room

    def send(self, work: Coroutine[None, None, None], user_key: UserKey) -> None:
        """Start sending a publication."""
        self._sends[asyncio.ensure_future(work)] = user_key
        self._looks_due = min(self._looks_due + 1 / SENDS_PER_LOOK, LOOKS_AT_ONCE)

    def look(self, work: Coroutine[None, None, None]) -> None:
        """Start a search."""
        self._looks.add(asyncio.ensure_future(work))
        self._looks_due = max(self._looks_due - 1, 0)

    def succeeded(self, limit: int) -> None:
        """Allow one more request after a success, up to the burst limit."""
        self._width = min(self._width + 1, max(limit, 1))

    def failed(self) -> None:
        """Allow half as many requests after a failure."""
        self._width = max(self._width / 2, 1)

    def stopped(self) -> None:
        """Begin again with one request, because all publishing pauses."""
        self._width = 1.0

    async def one_ends(self) -> None:
        """Return when at least one task has ended. Raises what the task raised."""
        ended, _ = await asyncio.wait(
            {*self._sends, *self._looks}, return_when=asyncio.FIRST_COMPLETED
        )
        for task in ended:
            self._sends.pop(task, None)
            self._looks.discard(task)
            self.done += 1
        for task in ended:
            task.result()

    async def finish(self) -> None:
        """Wait for the tasks under way, or cancel them if this is cancelled."""
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
    """Return how many requests of one user may be under way."""
    return max(limit - limit // 4, 1)
