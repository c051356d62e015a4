"""What Pipedrive charges for requests, in tokens of the company's daily budget.

The numbers are those of Pipedrive's documentation of its rate limits, for API v2.
"""

from typing import Final

DAILY_TOKENS: Final = 30_000
"""The budget of a day for each seat on the smallest plan, Lite."""
ACTIVITY_TOKENS: Final = 5
"""To create an activity."""
DEAL_TOKENS: Final = 5
"""To create a deal."""
LOOK_TOKENS: Final = 1
"""To read one deal or activity."""
LIST_TOKENS: Final = 10
"""For one page of a list."""
SEARCH_TOKENS: Final = 20
"""For a search."""
FIRST_DEAL_TOKENS: Final = SEARCH_TOKENS + LIST_TOKENS + DEAL_TOKENS
"""At most, to find or make a user's deal; see `DealIndex.find`."""
