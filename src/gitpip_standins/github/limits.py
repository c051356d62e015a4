"""GitHub's limits: the hourly one of each caller, and the secondary ones for all of them.

Rules as in https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitpip_standins.exchange import UNDER_WAY, Answer, Journal, json_answer

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
_DOCUMENTATION = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"


@dataclass
class Window:
    """One caller's hour of one resource (`core` or `graphql`)."""

    limit: int
    ends_at: datetime
    used: int = 0
    announced_at: datetime | None = None

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    def shown(self) -> dict[str, int]:
        return {
            "limit": self.limit,
            "used": self.used,
            "remaining": self.remaining,
            "reset": math.ceil(self.ends_at.timestamp()),
        }


@dataclass
class Limits:
    """GitHub's limits; every field can be changed while it runs, None switches one off."""

    journal: Journal
    with_token: int | None = 5000
    without_token: int | None = 60
    points_a_minute: int | None = 900
    graphql_points_a_minute: int | None = 2000
    concurrent: int | None = 100
    status: int = 403
    """The status of answers to limited requests: GitHub uses both 403 and 429."""
    minute: timedelta = MINUTE
    """The window of the secondary limits; a test can't wait for whole ones."""
    retry_after: timedelta = timedelta(seconds=60)
    """The time for which the secondary limits want a caller to wait."""
    secondary_refusals: int = 0
    """The number of requests that the secondary limits have refused."""
    _windows: dict[tuple[str, str], Window] = field(default_factory=dict)
    _points: dict[tuple[str, str], deque[datetime]] = field(default_factory=dict)
    _wait: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    """The senders that a secondary limit has told to wait: since when, until when."""

    def window(self, caller: str | None, resource: str, at: datetime) -> Window | None:
        """The hour of this caller (None: without a token); None where there is no limit."""
        limit = self.without_token if caller is None else self.with_token
        if limit is None:
            return None
        key = (caller or "", resource)
        window = self._windows.get(key)
        if window is None or window.ends_at <= at:
            window = self._windows[key] = Window(limit, at + HOUR)
        window.limit = limit
        return window

    def reset(self) -> None:
        """An hour and a minute have passed for everybody."""
        self._windows.clear()
        self._points.clear()
        self._wait.clear()

    def refusal(
        self, caller: str | None, resource: str, at: datetime, in_flight: int
    ) -> Answer | None:
        """Why a request may not pass now; None where it may. What it costs is charged later."""
        return self._secondary(caller, resource, at, in_flight) or self._primary(
            caller, resource, at
        )

    def charge(self, caller: str | None, resource: str, at: datetime, points: int) -> None:
        window = self.window(caller, resource, at)
        if window is not None:
            window.used += points
            if window.remaining == 0:
                window.announced_at = window.announced_at or at

    def headers(self, caller: str | None, resource: str, at: datetime) -> dict[str, str]:
        window = self.window(caller, resource, at)
        if window is None:
            return {}
        shown = {f"x-ratelimit-{name}": str(number) for name, number in window.shown().items()}
        return shown | {"x-ratelimit-resource": resource}

    def _primary(self, caller: str | None, resource: str, at: datetime) -> Answer | None:
        window = self.window(caller, resource, at)
        if window is None or window.remaining > 0:
            return None
        if window.announced_at and at > window.announced_at + UNDER_WAY:
            self.journal.blame("a request before the hourly limit was reset")
        window.announced_at = window.announced_at or at
        who = f"user {caller}" if caller else "this address"
        message = f"API rate limit exceeded for {who}."
        if resource == "graphql":
            return json_answer(200, {"errors": [{"type": "RATE_LIMITED", "message": message}]})
        return json_answer(
            self.status,
            {"message": message, "documentation_url": _DOCUMENTATION, "status": str(self.status)},
        )

    def _secondary(
        self, caller: str | None, resource: str, at: datetime, in_flight: int
    ) -> Answer | None:
        who = caller or ""
        told_at, until = self._wait.get(who, (at, at))
        if at < until:
            if at > told_at + UNDER_WAY:
                self.journal.blame("a request before retry-after had passed")
            return self._slow_down(until - at)
        allowed = self.graphql_points_a_minute if resource == "graphql" else self.points_a_minute
        points = self._points.setdefault((who, resource), deque())
        while points and points[0] <= at - self.minute:
            points.popleft()
        if self.concurrent is not None and in_flight > self.concurrent:
            self.journal.blame(f"{in_flight} requests at a time")
        elif allowed is None or len(points) < allowed:
            if allowed is not None:
                points.append(at)
            return None
        self._wait[who] = (at, at + self.retry_after)
        return self._slow_down(self.retry_after)

    def _slow_down(self, wait: timedelta) -> Answer:
        self.secondary_refusals += 1
        return json_answer(
            self.status,
            {
                "message": "You have exceeded a secondary rate limit.",
                "documentation_url": f"{_DOCUMENTATION}#about-secondary-rate-limits",
                "status": str(self.status),
            },
            {"retry-after": str(math.ceil(wait.total_seconds()))},
        )
