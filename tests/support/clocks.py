"""The time in tests: it stands still until it is moved."""

from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Clock:
    """The time for everybody in a test, UTC; `now` can be set, also back."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by
