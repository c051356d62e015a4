"""What time it is, and how much of it has passed."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

CLOCK_TOLERANCE = timedelta(seconds=30)
"""Clocks that differ by more than this are worth a word."""


def utc_now() -> datetime:
    """The present time (UTC)."""
    return datetime.now(UTC)


def in_json(moment: datetime) -> str:
    """A time as every JSON of gitpip has it: in UTC, with a `Z`, as pydantic writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_GISTS = datetime(2008, 1, 1, tzinfo=UTC)
"""No gist is older. A time before it is a slip, and Python can't subtract from the first ones."""


def given_moment(text: str) -> datetime:
    """A time that somebody wrote in ISO 8601, in UTC; without a zone it counts as UTC.

    Raises ValueError where it is none, or lies outside of the years that can be calculated with.
    """
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def rounded_up(moment: datetime, grid: timedelta) -> datetime:
    """The next time that is a multiple of `grid`, or the moment itself if it is one."""
    return moment + (EPOCH - moment) % grid


def loop_time() -> float:
    """Seconds by the clock of the running event loop, which nobody sets."""
    return asyncio.get_running_loop().time()


def boot_seconds() -> float:
    """Seconds since the machine started, also those for which it was suspended (Linux)."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True)
class Clocks:
    """Three clocks: none of them alone tells how much time has passed.

    The wall clock can be set, the monotonic one stands still while the machine is suspended, and
    the one since boot stands still while a host suspends the virtual machine without telling it.
    """

    wall: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    boot: Callable[[], float] = boot_seconds

    def read(self) -> "Moment":
        """What they show now."""
        return Moment(self.wall(), self.monotonic(), self.boot())


@dataclass(frozen=True)
class Moment:
    """What all clocks showed at one time."""

    wall: datetime
    monotonic: float
    boot: float

    def most_since(self, earlier: "Moment") -> timedelta:
        """The most that can have passed since: what the clock says that counted most.

        A wall clock that was set back says as much as one that was set forward: neither tells.
        """
        return max(
            abs(self.wall - earlier.wall),
            timedelta(seconds=self.monotonic - earlier.monotonic),
            timedelta(seconds=self.boot - earlier.boot),
        )
