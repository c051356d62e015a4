"""A clock that stands still until it is moved."""

from datetime import UTC, datetime, timedelta


class HandClock:
    """Callable like the stand-ins' clocks; UTC."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)
