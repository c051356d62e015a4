"""The rows of a plan for more users and gists, for people, beside the present numbers."""

from typing import NamedTuple

from gitpip.config import format_duration, parse_duration
from gitpip.status.sizing import Sizing, Wanted
from gitpip.store.status.today import Today


class SizingRow(NamedTuple):
    """One cost. Unknown values are empty."""

    name: str
    planned: str
    today: str


def sizing_rows(wanted: Wanted, follows: Sizing, present: Today | None) -> tuple[SizingRow, ...]:
    """Return a row for each cost, with the plan beside the present numbers."""
    budgets = {
        budget.name: f"{budget.total - budget.remaining:,} of {budget.total:,} used"
        for budget in (present.budgets if present else ())
    }
    days = follows.backlog_days
    rows = [
        ("users", f"{wanted.users:,}", f"{present.users:,}" if present else ""),
        (
            "gists per day",
            _short(wanted.gists_per_day),
            f"{present.gists_per_day:,.1f} (last 7 days)" if present else "",
        ),
        (
            "GitHub points per hour",
            f"{_short(follows.github_points_per_hour)} ({_short(follows.github_points_percent)}%)",
            budgets.pop("GitHub GraphQL points", ""),
        ),
        (
            "GitHub requests per hour",
            f"{follows.github_requests_per_hour:,.0f} ({_short(follows.github_requests_percent)}%)",
            budgets.pop("GitHub requests", ""),
        ),
        (
            "shortest check interval",
            "none"
            if follows.shortest_interval_seconds is None
            else _time(follows.shortest_interval_seconds),
            "",
        ),
        (
            "files per day",
            f"{follows.files_per_day:,.0f}",
            f"{present.files_per_day:,.1f} (last 7 days)" if present else "",
        ),
        (
            "Pipedrive tokens per day",
            f"{follows.tokens_per_day:,.0f} ({_short(follows.tokens_percent)}% of "
            f"{follows.tokens_of_plan:,})",
            "; ".join(budgets.values()),
        ),
        ("Pipedrive tokens for new deals, once", f"{follows.tokens_once:,}", ""),
        (
            "days to send the queue and new deals",
            "never" if days is None else f"{days:.1f}",
            "",
        ),
        (
            "storage per year",
            _size(follows.bytes_per_year),
            f"{_size(present.database_bytes)} now" if present else "",
        ),
        (
            "95% of new gists in Pipedrive",
            "falls further behind each day"
            if follows.freshness_p95_seconds is None
            else f"within {_time(follows.freshness_p95_seconds)}",
            "",
        ),
        (
            "gists that the public feed misses",
            f"found within {_time(follows.found_within_seconds)}",
            f"95% checked in the last {_time(present.freshness_p95_seconds)}"
            if present and present.freshness_p95_seconds is not None
            else "",
        ),
    ]
    return tuple(SizingRow(*row) for row in rows)


def _short(number: float) -> str:
    """Return a number with one decimal, if that is significant."""
    return f"{number:,.1f}" if number < 100 else f"{number:,.0f}"  # noqa: PLR2004


def _time(seconds: float) -> str:
    return format_duration(parse_duration(f"{max(1, round(seconds))}s"))


def _size(number: float) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"  # noqa: PLR2004
