"""The costs of requests to Pipedrive, in tokens of the company's daily budget.

The numbers are those of Pipedrive's documentation of its rate limits, for API v2.
"""

from typing import Final

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
