"""The lanes of checks: several users are checked at once, the slow ones in a lane of their own.

One in twenty users whose contents hang until the time-out would otherwise take every place, and the
gists of all others would wait for them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from gitpip.clock import loop_time
from gitpip.model import User, UserKey
from gitpip.watch.github.graphql import Snapshot

QUICK_AT_A_TIME = 4
SLOW_AT_A_TIME = 2
"""The slow users checked at once. With the gists of one user that are read at the same time, this
leaves half of the requests that may be under way to the others: see `rate_limits.IN_FLIGHT` and
`reading.GISTS_SIDE_BY_SIDE`."""
SLOW_CHECK = timedelta(seconds=2)
"""The time after which a check leaves the quick lane. The user then counts as slow next time."""
USERS_REMEMBERED = 200
MOST_SLOW = 0.3
"""The part of the latest checks above which GitHub, and not single users, counts as slow."""

Wanted = tuple[User, Snapshot | None]


class SlowUsers:
    """The users whose last check was slow."""

    def __init__(self) -> None:
        self._slow: set[UserKey] = set()
        self._latest: deque[bool] = deque(maxlen=USERS_REMEMBERED)

    def note(self, key: UserKey, *, slow: bool) -> None:
        """Note the result of a check."""
        self._latest.append(slow)
        if slow:
            self._slow.add(key)
        else:
            self._slow.discard(key)

    def __contains__(self, key: UserKey) -> bool:
        return key in self._slow and not self.everybody_is

    @property
    def everybody_is(self) -> bool:
        """Whether checks are slow in general, whichever user they are of."""
        return sum(self._latest) > USERS_REMEMBERED * MOST_SLOW


class Lanes:
    """Checks each user that is put into it, by `check`, until it is closed."""

    def __init__(
        self, check: Callable[[User, Snapshot | None], Awaitable[None]], slow: SlowUsers
    ) -> None:
        self._check_user = check
        self._known = slow
        self._quick: asyncio.Queue[Wanted | None] = asyncio.Queue(maxsize=2 * QUICK_AT_A_TIME)
        self._slow: asyncio.Queue[Wanted | None] = asyncio.Queue()
        self._places = asyncio.Semaphore(SLOW_AT_A_TIME)
        """The places for checks that are slow, or are known to become so."""
        self._began: list[float] = []
        """The times at which checks under way began, in seconds of the event loop's clock.

        Not by user: one whose claim ends before the check does can be checked again meanwhile.
        """

    async def put(self, user: User, snapshot: Snapshot | None) -> None:
        """Queue a user to be checked; wait while many are queued already."""
        queue = self._slow if user.key in self._known else self._quick
        await queue.put((user, snapshot))

    async def run(self) -> None:
        """Check all users until the lanes are closed; raises the errors of checks, in a group."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(QUICK_AT_A_TIME):
                tasks.create_task(self._check_quickly(tasks))
            for _ in range(SLOW_AT_A_TIME):
                tasks.create_task(self._check_slowly())

    @property
    def any_slow(self) -> bool:
        """Whether a check under way takes long."""
        long_ago = loop_time() - SLOW_CHECK.total_seconds()
        return any(began < long_ago for began in self._began)

    async def all_end(self, within: timedelta) -> bool:
        """Return whether every check, queued ones included, ends within a time."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._quick.join()
                await self._slow.join()
        except TimeoutError:
            return False
        return True

    async def close(self) -> Sequence[User]:
        """End `run` once the checks under way are over; return the slow users who have to wait."""
        waiting: list[User] = []
        while not self._slow.empty():
            wanted = self._slow.get_nowait()
            self._slow.task_done()
            if wanted is not None:
                waiting.append(wanted[0])
        for _ in range(SLOW_AT_A_TIME):
            await self._slow.put(None)
        for _ in range(QUICK_AT_A_TIME):
            await self._quick.put(None)
        return waiting

    async def _check_quickly(self, tasks: asyncio.TaskGroup) -> None:
        while (wanted := await self._quick.get()) is not None:
            check = tasks.create_task(self._check(wanted, self._quick))
            await asyncio.wait({check}, timeout=SLOW_CHECK.total_seconds())
            if check.done() or self._known.everybody_is:
                await asyncio.wait({check})
            elif self._places.locked():
                await self._begin_again_later(wanted, check)
            else:
                await self._places.acquire()
                check.add_done_callback(lambda _: self._places.release())

    async def _begin_again_later(self, wanted: Wanted, check: asyncio.Task[None]) -> None:
        """End a check that is slow while the places for slow ones are taken: it begins again there.

        Four users whose contents hang, met for the first time, would otherwise make all others
        wait.
        """
        check.cancel()
        await asyncio.wait({check})
        if check.cancelled():
            self._known.note(wanted[0].key, slow=True)
            await self._slow.put(wanted)

    async def _check_slowly(self) -> None:
        while (wanted := await self._slow.get()) is not None:
            async with self._places:
                await self._check(wanted, self._slow)

    async def _check(self, wanted: Wanted, queue: "asyncio.Queue[Wanted | None]") -> None:
        user, snapshot = wanted
        began = loop_time()
        self._began.append(began)
        try:
            await self._check_user(user, snapshot)
            took = loop_time() - began
            self._known.note(user.key, slow=took > SLOW_CHECK.total_seconds())
        finally:
            self._began.remove(began)
            queue.task_done()
