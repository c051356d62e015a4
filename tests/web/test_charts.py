"""The chart counts every moment once, in its own week."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gitpip.web.render.charts import per_week

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@given(st.lists(st.integers(min_value=0, max_value=24 * 7 * 25)))
def test_every_moment_is_counted_once(hours: list[int]) -> None:
    bars = per_week([NOW - timedelta(hours=passed) for passed in hours], NOW)

    assert sum(bar.number for bar in bars) == len(hours)
    assert max(bar.height for bar in bars) == (100 if hours else 0)
    assert all(bar.week.weekday() == 0 for bar in bars)
