"""The present time, and how much time has passed."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

CLOCK_TOLERANCE = timedelta(seconds=30)
"""The largest difference of clocks that is not worth a message."""


def utc_now() -> datetime:
    """Return the present time (UTC)."""
    return datetime.now(UTC)


def in_json(moment: datetime) -> str:
    """Return a time as in every JSON of gitpip: in UTC, with a `Z`, as pydantic writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day_and_clock(time: datetime, *, seconds: bool = False) -> str:
    """Return a time (UTC) for a sentence, complete, so that pages can show it in any time zone."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC" if seconds else f"{time:%Y-%m-%d %H:%M} UTC"


def whole_seconds(time: datetime) -> str:
    """Return a time in ISO 8601, in UTC and without fractions, as vendors and browsers take it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_GISTS = datetime(2008, 1, 1, tzinfo=UTC)
"""The time of the oldest gists. An earlier time is a mistake, and Python can't subtract from the
first ones."""


def given_moment(text: str) -> datetime:
    """Return a time written in ISO 8601, in UTC; without a zone it counts as UTC.

    Raises ValueError if it is not a time, or lies outside of the years that allow calculations.
    """
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def rounded_up(moment: datetime, grid: timedelta) -> datetime:
    """Return the next time that is a multiple of `grid`, or the time itself if it is one."""
    return moment + (EPOCH - moment) % grid


def loop_time() -> float:
    """Return the seconds of the running event loop's clock, which can't be set."""
    return asyncio.get_running_loop().time()


def boot_seconds() -> float:
    """Return the seconds since the machine started, those of suspension included (Linux)."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True)
class Clocks:
    """Three clocks, as no single one tells how much time has passed.

    The wall clock can be set. The monotonic one stands still while the machine is suspended. The
    one since boot stands still while a host suspends the virtual machine silently.
    """

    wall: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    boot: Callable[[], float] = boot_seconds

    def read(self) -> "Moment":
        """Return what the clocks show now."""
        return Moment(self.wall(), self.monotonic(), self.boot())


@dataclass(frozen=True)
class Moment:
    """The readings of all clocks at one time."""

    wall: datetime
    monotonic: float
    boot: float

    def most_since(self, earlier: "Moment") -> timedelta:
        """Return the most time that can have passed since: that of the clock that counted most.

        A wall clock that was set back proves as little as one that was set forward.
        """
        return max(
            abs(self.wall - earlier.wall),
            timedelta(seconds=self.monotonic - earlier.monotonic),
            timedelta(seconds=self.boot - earlier.boot),
        )
