"""How many examples tests with chance in them try.

A run tries few of them. Each run tries others, so that a fault of one in a thousand is found in
days. `HYPOTHESIS_PROFILE=thorough` tries all of them, as `make test-both` does.
"""

import os

from hypothesis import settings

QUICK, THOROUGH = 15, 50
"""How many examples a test tries that does not say how many."""


def load_profile() -> None:
    """Load the profile that the environment names, or the quick one."""
    for name, number in (("quick", QUICK), ("thorough", THOROUGH)):
        # Where `CI` is set, Hypothesis would try the same examples in each run.
        settings.register_profile(
            name, deadline=None, max_examples=number, derandomize=False, print_blob=True
        )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def trials(number: int) -> int:
    """Return how many examples to try of a test that tries so many in a thorough run.

    One more, because Hypothesis begins with the simplest example in each run.
    """
    return 1 + max(1, round(number * settings().max_examples / THOROUGH))
