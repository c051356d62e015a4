"""The rows of a plan for more users and gists, for people, next to the present numbers."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from gitpip.status.sizing import PlanInput, Sizing
from gitpip.store.status.budgets import GITHUB_POINTS, GITHUB_REQUESTS
from gitpip.store.status.today import Today

DAY = timedelta(days=1).total_seconds()


class SizingRow(NamedTuple):
    """One cost. Unknown values are empty."""

    name: str
    planned: str
    today: str


def sizing_rows(wanted: PlanInput, follows: Sizing, present: Today | None) -> tuple[SizingRow, ...]:
    """Return a row for each cost, with the plan next to the present numbers."""
    return (*_watching_rows(wanted, follows, present), *_publishing_rows(follows, present))


def _watching_rows(
    wanted: PlanInput, follows: Sizing, present: Today | None
) -> Iterator[SizingRow]:
    """Yield what is watched, and its cost at GitHub."""
    used = _used(present)
    yield SizingRow("users", f"{wanted.users:,}", f"{present.users:,}" if present else "")
    yield SizingRow(
        "gists per day",
        _short(wanted.gists_per_day),
        f"{present.gists_per_day:,.1f} (last 7 days)" if present else "",
    )
    yield SizingRow(
        "GitHub points per hour",
        f"{_short(follows.github_points_per_hour)} ({_short(follows.github_points_percent)}%)",
        used.get(GITHUB_POINTS, ""),
    )
    yield SizingRow(
        "GitHub requests per hour",
        f"{follows.github_requests_per_hour:,.0f} ({_short(follows.github_requests_percent)}%)",
        used.get(GITHUB_REQUESTS, ""),
    )
    shortest = follows.shortest_interval_seconds
    yield SizingRow("shortest check interval", "none" if shortest is None else _time(shortest), "")
    checked = present.freshness_p95_seconds if present else None
    yield SizingRow(
        "gists that the public feed misses",
        f"found within {_time(follows.found_within_seconds)}",
        "" if checked is None else f"95% checked in the last {_time(checked)}",
    )


def _publishing_rows(follows: Sizing, present: Today | None) -> Iterator[SizingRow]:
    """Yield what is sent, its cost at Pipedrive, and what is stored."""
    yield SizingRow(
        "files per day",
        f"{follows.files_per_day:,.0f}",
        f"{present.files_per_day:,.1f} (last 7 days)" if present else "",
    )
    used = _used(present)
    yield SizingRow(
        "Pipedrive tokens per day",
        f"{follows.tokens_per_day:,.0f} ({_short(follows.tokens_percent)}% of "
        f"{follows.tokens_of_plan:,})",
        "; ".join(used[name] for name in used if name not in {GITHUB_POINTS, GITHUB_REQUESTS}),
    )
    yield SizingRow("Pipedrive tokens for new deals, once", f"{follows.tokens_once:,}", "")
    days = follows.backlog_days
    queue = present.queue_seconds if present else None
    yield SizingRow(
        "days to send the queue and new deals",
        "never" if days is None else f"{days:.1f}",
        "" if queue is None else f"{queue / DAY:.1f} for the queue",
    )
    planned = follows.freshness_p95_seconds
    took = present.published_p95_seconds if present else None
    yield SizingRow(
        "95% of new gists in Pipedrive",
        "falls further behind each day" if planned is None else f"within {_time(planned)}",
        "" if took is None else f"within {_time(took)} (last 7 days)",
    )
    yield SizingRow(
        "storage per year",
        _size(follows.bytes_per_year),
        f"{_size(present.database_bytes)} now" if present else "",
    )


def _used(present: Today | None) -> dict[str, str]:
    """Return how much of each limit is used."""
    return {
        budget.name: f"{budget.total - budget.remaining:,} of {budget.total:,} used"
        for budget in (present.budgets if present else ())
    }


def _short(number: float) -> str:
    """Return a number with one decimal, if that is significant."""
    return f"{number:,.1f}" if number < 100 else f"{number:,.0f}"  # noqa: PLR2004


def _time(seconds: float) -> str:
    length = timedelta(seconds=max(1, round(seconds)))
    minutes, rest = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((length.days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _size(number: float) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"  # noqa: PLR2004
