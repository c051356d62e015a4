"""Charts: numbers over time as the bars of an inline SVG, and as a table."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

WEEKS = 26


@dataclass(frozen=True)
class Bar:
    """One week: its Monday, how many, and how high in percent of the highest."""

    week: date
    number: int
    height: int


def per_week(moments: Iterable[datetime], now: datetime) -> tuple[Bar, ...]:
    """How many of the moments lie in each of the last weeks, the oldest first."""
    counts = Counter(_monday(moment.date()) for moment in moments)
    this = _monday(now.date())
    weeks = [this - timedelta(weeks=back) for back in reversed(range(WEEKS))]
    highest = max((counts[week] for week in weeks), default=0)
    return tuple(
        Bar(week, counts[week], round(100 * counts[week] / highest) if highest else 0)
        for week in weeks
    )


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
