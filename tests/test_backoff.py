"""One formula for every wait after a failure."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitpip.backoff import backoff, jittered

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
waits = st.timedeltas(timedelta(0), timedelta.max)


@given(st.integers(-5, 10**9), waits, waits, st.integers(2, 10))
def test_waits_grow_up_to_their_bound(
    failures: int, first: timedelta, longest: timedelta, factor: int
) -> None:
    now = backoff(failures, first, longest, factor=factor)
    later = backoff(failures + 1, first, longest, factor=factor)
    assert min(first, longest) <= now <= later <= longest
    if first:
        assert backoff(10**9, first, longest) == longest


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(2, [1, 1, 2, 4, 8, 16, 32, 60, 60]), (4, [1, 1, 4, 16, 60, 60, 60, 60, 60])],
)
def test_each_wait_is_so_many_times_the_one_before(factor: int, expected: list[int]) -> None:
    found = [backoff(failures, SECOND, MINUTE, factor=factor) for failures in range(9)]
    assert found == [timedelta(seconds=number) for number in expected]


@given(st.timedeltas(timedelta(0), HOUR))
def test_a_jittered_wait_is_half_to_all_of_it(wait: timedelta) -> None:
    assert wait / 2 - timedelta.resolution <= jittered(wait) <= wait


def test_jittered_waits_are_apart() -> None:
    assert len({jittered(HOUR) for _ in range(20)}) > 1
