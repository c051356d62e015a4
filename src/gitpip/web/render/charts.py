"""Charts: numbers over time as the bars of an inline SVG, and as a table."""

from collections import Counter
from collections.abc import Iterable
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
    """How many of the moments lie in each of the last weeks, the oldest first."""
    counts = Counter(_monday(moment.date()) for moment in moments)
    this = _monday(now.date())
    weeks = [this - timedelta(weeks=back) for back in reversed(range(WEEKS))]
    highest = max((counts[week] for week in weeks), default=0)
    return tuple(
        Bar(place, week, counts[week], round(100 * counts[week] / highest) if highest else 0)
        for place, week in enumerate(weeks)
    )


@dataclass(frozen=True)
class Moment:
    """One part of the day: when it ends, the most there was in it, and how high in percent."""

    until: datetime
    number: int | None
    """None where nothing is known."""
    height: int


def over_a_day(samples: Iterable[tuple[datetime, int]], now: datetime) -> tuple[Moment, ...]:
    """The most of the samples in each part of the last day, the oldest first."""
    part = timedelta(days=1) / PARTS
    most: dict[int, int] = {}
    for at, number in samples:
        back = int((now - at) / part)
        most[back] = max(most.get(back, 0), number)
    known = {back: number for back, number in most.items() if 0 <= back < PARTS}
    highest = max(known.values(), default=0)
    return tuple(
        Moment(
            now - part * back,
            known.get(back),
            round(100 * known.get(back, 0) / highest) if highest else 0,
        )
        for back in reversed(range(PARTS))
    )


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
