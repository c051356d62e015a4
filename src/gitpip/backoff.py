"""How long to wait after failures in a row: longer after each one, up to a bound."""

import random
from datetime import timedelta

MOST_STEPS = 100
"""After so many failures even a microsecond has grown beyond the longest timedelta."""


def backoff(failures: int, first: timedelta, longest: timedelta, *, factor: int = 2) -> timedelta:
    """The wait after so many failures in a row, counted from 1.

    It is `first` after the first one and `factor` times as long after each further one, but never
    longer than `longest`.
    """
    growth = factor ** min(max(failures - 1, 0), MOST_STEPS)
    # Compared before it is multiplied: a timedelta overflows.
    return longest if first > longest // growth else first * growth


def jittered(wait: timedelta) -> timedelta:
    """A wait of half to all of this time, by chance: many who failed at once come back apart."""
    return wait * random.uniform(0.5, 1)  # noqa: S311 - not a secret
