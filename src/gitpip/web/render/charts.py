"""Charts: numbers over time as the bars of an inline SVG, and as a table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

WEEKS = 26
PARTS = 96
"""Into so many parts a day is cut: quarters of an hour."""


@dataclass(frozen=True)
class Bar:
    """One week: its place in the chart and its Monday, how many, how high in percent."""

    place: int
    week: date
    number: int
    height: int


def per_week(moments: Iterable[datetime], now: datetime) -> tuple[Bar, ...]:
    """Return how many of the moments lie in each of the last weeks, the oldest first.

    Weeks begin on Mondays in the time zone of `now`.
    """
    counts = Counter(_monday(moment.astimezone(now.tzinfo).date()) for moment in moments)
    this = _monday(now.date())
    weeks = [this - timedelta(weeks=back) for back in reversed(range(WEEKS))]
    highest = max((counts[week] for week in weeks), default=0)
    return tuple(
        Bar(place, week, counts[week], round(100 * counts[week] / highest) if highest else 0)
        for place, week in enumerate(weeks)
    )


@dataclass(frozen=True)
class ChartBar:
    """One part of the day: when it ends, the most there was in it, and how high in percent."""

    until: datetime
    number: int | None
    """None where nothing is known."""
    height: int


def over_a_day(samples: Iterable[tuple[datetime, int]], now: datetime) -> tuple[ChartBar, ...]:
    """The most of the samples in each part of the last day, the oldest first.

    Heights are those of an axis that ends at `top_of_axis`.
    """
    part = timedelta(days=1) / PARTS
    most: dict[int, int] = {}
    for at, number in samples:
        back = int((now - at) / part)
        most[back] = max(most.get(back, 0), number)
    known = {back: number for back, number in most.items() if 0 <= back < PARTS}
    top = _round_number_above(max(known.values(), default=0))
    return tuple(
        ChartBar(now - part * back, known.get(back), round(100 * known.get(back, 0) / top))
        for back in reversed(range(PARTS))
    )


def top_of_axis(day: Iterable[ChartBar]) -> int:
    """Return where the axis of a day's numbers ends: a round, even number."""
    return _round_number_above(max((moment.number or 0 for moment in day), default=0))


def per_hour(day: Sequence[ChartBar]) -> tuple[tuple[datetime, int], ...]:
    """The most of each hour of a day with the end of that hour, newest first, where it is known."""
    hours = [day[end - PARTS // 24 : end] for end in range(len(day), 0, -PARTS // 24)]
    known = [(hour[-1].until, [moment.number for moment in hour]) for hour in hours]
    return tuple(
        (until, max(number for number in numbers if number is not None))
        for until, numbers in known
        if any(number is not None for number in numbers)
    )


def _round_number_above(number: int) -> int:
    """The least of 2, 4, 10, 20, 40, 100 and so on that is not below a number."""
    power = 1
    while True:
        for step in (2, 4, 10):
            if step * power >= number:
                return step * power
        power *= 10


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
