"""Pipedrive's limits: bursts, the daily budget, and what the edge does to those who ignore them.

Rules as in https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitpip_standins.exchange import UNDER_WAY, Answer, Journal, html_answer, json_answer


@dataclass
class Limits:
    """The company's plan and how the edge behaves; every field can be changed while it runs.

    `burst` and `search_burst` count requests in a rolling `window`; None switches a limit off.
    """

    journal: Journal
    daily_tokens: int | None = 30_000
    burst: int | None = 20
    search_burst: int | None = 10
    window: timedelta = timedelta(seconds=2)
    daily_headers: bool = True
    patience: int = 10
    """So many 429s in a row within a closed window are borne; the next one earns a 403."""
    ban: timedelta = timedelta(minutes=5)
    spent_today: int = 0
    _recent: deque[datetime] = field(default_factory=deque)
    _recent_searches: deque[datetime] = field(default_factory=deque)
    _burst_announced_at: datetime | None = None
    _day_announced_at: datetime | None = None
    _refused_in_a_row: int = 0
    _banned_until: datetime | None = None

    @property
    def left_today(self) -> int | None:
        return None if self.daily_tokens is None else max(0, self.daily_tokens - self.spent_today)

    def reset_day(self) -> None:
        self.spent_today = 0
        self._day_announced_at = None
        self._refused_in_a_row = 0

    def refusal(self, at: datetime, *, cost: int, search: bool) -> Answer | None:
        """Why a request may not pass now; None where it may, and then it has been counted."""
        if self._banned_until is not None and at < self._banned_until:
            self.journal.blame("a request to an edge that has banned the client")
            return html_answer(403)
        self._banned_until = None
        self._forget(at)
        if self._burst_is_used_up(search=search):
            return self._refuse_burst(at)
        left = self.left_today
        if left is not None and left < cost:
            return self._refuse_day(at)
        self._refused_in_a_row = 0
        self.spent_today += cost
        self._recent.append(at)
        if search:
            self._recent_searches.append(at)
        if self.burst is not None and len(self._recent) >= self.burst:
            self._burst_announced_at = at
        if self.left_today == 0:
            self._day_announced_at = self._day_announced_at or at
        return None

    def headers(self, at: datetime) -> dict[str, str]:
        """The rate-limit headers of an answer given now."""
        headers = {}
        if self.burst is not None:
            reset = (self._recent[0] + self.window - at).total_seconds() if self._recent else 0
            headers["x-ratelimit-limit"] = str(self.burst)
            headers["x-ratelimit-remaining"] = str(max(0, self.burst - len(self._recent)))
            headers["x-ratelimit-reset"] = str(max(0, math.ceil(reset)))
        if self.daily_headers and self.daily_tokens is not None:
            headers["x-daily-ratelimit-token-limit"] = str(self.daily_tokens)
            headers["x-daily-ratelimit-token-remaining"] = str(self.left_today)
        return headers

    def _forget(self, at: datetime) -> None:
        for times in (self._recent, self._recent_searches):
            while times and times[0] <= at - self.window:
                times.popleft()
        if self.burst is None or len(self._recent) < self.burst:
            if self._burst_announced_at is not None:
                self._refused_in_a_row = 0
            self._burst_announced_at = None

    def _burst_is_used_up(self, *, search: bool) -> bool:
        if self.burst is not None and len(self._recent) >= self.burst:
            return True
        return (
            search
            and self.search_burst is not None
            and len(self._recent_searches) >= self.search_burst
        )

    def _refuse_burst(self, at: datetime) -> Answer:
        if self._burst_announced_at and at > self._burst_announced_at + UNDER_WAY:
            self.journal.blame("a request beyond the burst after the limit was announced")
        return self._refuse(at)

    def _refuse_day(self, at: datetime) -> Answer:
        if self._day_announced_at and at > self._day_announced_at + UNDER_WAY:
            self.journal.blame("a request although the daily budget was announced as used up")
        self._day_announced_at = self._day_announced_at or at
        return self._refuse(at)

    def _refuse(self, at: datetime) -> Answer:
        self._refused_in_a_row += 1
        if self._refused_in_a_row > self.patience:
            self.journal.blame(f"going on through {self._refused_in_a_row} 429s in a row")
            self._banned_until = at + self.ban
            return html_answer(403)
        return json_answer(429, {"success": False, "error": "request over limit", "code": 429})
