"""How many users a query asks about: learned from refusals, and remembered."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gitpip.watch.batch_size import (
    FIRST_BATCH,
    FIRST_PATIENCE,
    LARGEST_BATCH,
    LONGEST_PATIENCE,
    BatchSize,
)

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def test_batches_halve_on_trouble_and_grow_back_slowly() -> None:
    size = BatchSize()
    for smaller in (25, 12, 6, 3, 1, 1):
        size.too_large(size.users, START)
        assert size.users == smaller
    now = START + LONGEST_PATIENCE
    for _ in range(200):
        before = size.users
        size.went_well(before, now)
        assert size.users - before in (0, 1)
    assert size.users == LARGEST_BATCH


def test_a_smaller_query_that_went_well_says_nothing() -> None:
    size = BatchSize()
    size.went_well(FIRST_BATCH - 1, START)
    assert size.users == FIRST_BATCH


@given(
    largest=st.integers(1, LARGEST_BATCH),
    minutes=st.integers(1, 600),
)
def test_a_size_that_was_refused_is_tried_again_less_and_less_often(
    largest: int, minutes: int
) -> None:
    size = BatchSize()
    now, end = START, START + timedelta(days=14)
    refused: list[tuple[datetime, int]] = []
    queries = 0
    while now < end and queries < 2000:
        queries += 1
        if size.users > largest:
            refused.append((now, size.users))
            size.too_large(size.users, now)
        else:
            size.went_well(size.users, now)
        now += timedelta(minutes=minutes)
    at_the_ceiling = [time for time, users in refused if users == largest + 1]
    waits = [later - earlier for earlier, later in pairwise(at_the_ceiling)]
    for number, wait in enumerate(waits):
        assert wait >= min(FIRST_PATIENCE * 2**number, LONGEST_PATIENCE)
    # Halving from the first size, and then a doubling patience.
    assert len(refused) <= 7 + 1 + 9
    if queries > 200 and largest < LARGEST_BATCH:
        assert size.users in (largest, largest + 1)
