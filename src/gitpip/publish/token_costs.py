"""The costs of requests to Pipedrive, in tokens of the company's daily budget, and their pace.

The numbers are those of Pipedrive's documentation of its rate limits, for API v2.
"""

from datetime import timedelta
from typing import Final

BURST_WINDOW: Final = timedelta(seconds=2)
"""Pipedrive counts the requests of a rolling window of two seconds."""
SMALLEST_BURST: Final = 20
"""The requests of a window on the smallest plan with one seat."""

DAILY_TOKENS: Final = 30_000
"""The daily budget for each seat on the smallest plan, Lite."""
ACTIVITY_TOKENS: Final = 5
"""The tokens to create an activity."""
DEAL_TOKENS: Final = 5
"""The tokens to create a deal."""
LOOK_TOKENS: Final = 1
"""The tokens to read one deal or activity."""
LIST_TOKENS: Final = 10
"""The tokens for one page of a list."""
SEARCH_TOKENS: Final = 20
"""The tokens for a search."""
FIRST_DEAL_TOKENS: Final = SEARCH_TOKENS + LIST_TOKENS + DEAL_TOKENS
"""The most tokens to find or make a user's deal; see `DealIndex.find`."""


def shortest_time(activities: int) -> timedelta:
    """Return the least time for that many activities, on the smallest plan with one seat."""
    whole_days = max(activities * ACTIVITY_TOKENS - 1, 0) // DAILY_TOKENS
    return whole_days * timedelta(days=1) + activities % (DAILY_TOKENS // ACTIVITY_TOKENS) * (
        BURST_WINDOW / SMALLEST_BURST
    )
