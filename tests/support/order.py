"""The order in which tests run."""

from collections.abc import Sequence
from itertools import groupby

import pytest

JOURNEYS = "tests/journeys/"


def ordered(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """What takes longest begins first; journeys stand evenly between the modules of other tests.

    One that may take more time than others would run alone if it began last. Journeys mostly wait
    for processes: several workers that ran them at the same time would leave processors idle.
    """
    result = [item for item in items if item.get_closest_marker("timeout")]
    rest = [item for item in items if not item.get_closest_marker("timeout")]
    journeys = [item for item in rest if item.nodeid.startswith(JOURNEYS)]
    others = [item for item in rest if not item.nodeid.startswith(JOURNEYS)]
    passed = placed = 0
    for _, module in groupby(others, key=lambda item: item.nodeid.partition("::")[0]):
        tests = list(module)
        passed += len(tests)
        until = len(journeys) * passed // len(others)
        result += [*tests, *journeys[placed:until]]
        placed = until
    return result + journeys[placed:]
