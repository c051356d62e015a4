"""No window of two seconds ever holds more requests than the limit, and none is wasted."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gitpip.publish.pipedrive.rate_limit import RateLimiter
from gitpip.publish.token_costs import BURST_WINDOW, SMALLEST_BURST

REST = timedelta(seconds=3)
TOLERANCE = 1e-6
"""In seconds: `timedelta` counts whole microseconds."""


class Seconds:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def paced(
    lengths: Sequence[float], pauses: Sequence[float], headers: dict[str, str] | None = None
) -> list[tuple[float, float]]:
    """When each request starts and ends that wants to start a pause after the one before."""
    clock = Seconds()
    pace = RateLimiter(REST, clock)
    times = []
    for length, pause in zip(lengths, pauses, strict=True):
        clock.now += pause
        clock.now += pace.delay().total_seconds()
        start = clock.now
        turn = pace.begin()
        clock.now += length
        turn.end(headers)
        times.append((start, clock.now))
    return times


requests = st.integers(1, 200).flatmap(
    lambda number: st.tuples(
        st.lists(st.floats(0, 3), min_size=number, max_size=number),
        st.lists(st.just(0.0) | st.floats(0, 3), min_size=number, max_size=number),
        st.lists(st.floats(0, 1), min_size=number, max_size=number),
    )
)


@given(requests, st.none() | st.integers(3, 60))
def test_whenever_the_server_sees_them_no_window_holds_more_than_the_limit(
    requests: tuple[list[float], list[float], list[float]], announced: int | None
) -> None:
    lengths, pauses, moments = requests
    headers = {"x-ratelimit-limit": str(announced)} if announced else None
    times = paced(lengths, pauses, headers)
    assert times[0][0] > 1000 + REST.total_seconds() - TOLERANCE
    seen = sorted(
        start + (end - start) * at for (start, end), at in zip(times, moments, strict=True)
    )
    limit = announced or SMALLEST_BURST
    for first, last in zip(seen, seen[limit:], strict=False):
        assert last - first > BURST_WINDOW.total_seconds() - TOLERANCE


@given(st.integers(1, 30))
def test_quick_requests_take_no_longer_than_the_limit_asks(windows: int) -> None:
    number = windows * (SMALLEST_BURST - 1)
    times = paced([0.001] * number, [0.0] * number)
    took = times[-1][1] - times[0][0]
    assert took <= windows * (BURST_WINDOW.total_seconds() + number * 0.001 / windows)


def test_a_reset_at_an_epoch_is_waited_for() -> None:
    pace = RateLimiter(timedelta(0), Seconds())
    date = "Wed, 04 Mar 2026 05:06:07 GMT"
    reset = str(int(datetime(2026, 3, 4, 5, 6, 11, tzinfo=UTC).timestamp()))
    pace.begin().end({"date": date, "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset})
    assert pace.delay() == timedelta(seconds=4)


def test_a_used_up_window_is_waited_for_as_long_as_is_said() -> None:
    clock = Seconds()
    pace = RateLimiter(timedelta(0), clock)
    assert pace.delay() == timedelta(0)
    pace.begin().end({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "7"})
    assert pace.delay() == timedelta(seconds=7)
    clock.now += 7
    assert pace.delay() == timedelta(0)


def test_an_answer_that_took_very_long_is_taken_in_like_others() -> None:
    clock = Seconds()
    pace = RateLimiter(REST, clock)
    slow, quick = pace.begin(), pace.begin()
    for turn, seconds in ((quick, 12), (slow, 5)):
        clock.now += seconds
        turn.end({"x-ratelimit-limit": "20", "x-ratelimit-remaining": "18"})
    assert pace.limit == 20
