"""The wait after failures in a row: longer after each one, up to a limit."""

import random
from datetime import timedelta

MOST_BACKOFF_STEPS = 100
"""The failures after which even a microsecond has grown beyond the longest timedelta."""


def backoff(failures: int, first: timedelta, longest: timedelta, *, factor: int = 2) -> timedelta:
    """Return the wait after that many failures in a row, counted from 1.

    It is `first` after the first one and `factor` times as long after each further one, but never
    longer than `longest`.
    """
    growth = factor ** min(max(failures - 1, 0), MOST_BACKOFF_STEPS)
    # Compared before multiplying: a timedelta overflows.
    return longest if first > longest // growth else first * growth


def jittered(wait: timedelta) -> timedelta:
    """Return a random wait of half to all of this time, so that simultaneous failures spread."""
    return wait * random.uniform(0.5, 1)  # noqa: S311 - not a secret
