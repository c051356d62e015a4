"""A plan for more users and gists as people read it, beside what there is."""

from typing import NamedTuple

from gitpip.config import format_duration, parse_duration
from gitpip.status.sizing import Sizing
from gitpip.store.status.today import Today


class SizingRow(NamedTuple):
    """One thing that costs; what is not known is empty."""

    name: str
    planned: str
    today: str


def sizing_rows(follows: Sizing, present: Today | None) -> tuple[SizingRow, ...]:
    """What is planned beside what there is, a row for each thing that costs."""
    budgets = {
        budget.name: f"{budget.total - budget.remaining:,} of {budget.total:,} spent"
        for budget in (present.budgets if present else ())
    }
    days = follows.backlog_days
    rows = [
        (
            "GitHub points an hour",
            f"{follows.github_points_per_hour:,.1f} ({follows.github_points_percent:.1f} %)",
            budgets.pop("GitHub GraphQL points", ""),
        ),
        (
            "GitHub requests an hour",
            f"{follows.github_requests_per_hour:,.0f} ({follows.github_requests_percent:.1f} %)",
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
            "files a day",
            f"{follows.files_per_day:,.0f}",
            f"{present.files_per_day:,.1f} (7 days)" if present else "",
        ),
        (
            "Pipedrive tokens a day",
            f"{follows.tokens_per_day:,.0f} ({follows.tokens_percent:.1f} % of "
            f"{follows.tokens_of_plan:,})",
            "; ".join(f"{name}: {spent}" for name, spent in budgets.items()),
        ),
        ("Pipedrive tokens once, for deals", f"{follows.tokens_once:,}", ""),
        (
            "days until deals and backlog are done",
            "never" if days is None else f"{days:.1f}",
            "",
        ),
        (
            "storage a year",
            _size(follows.bytes_per_year),
            f"{_size(present.database_bytes)} now" if present else "",
        ),
        (
            "in the CRM, 95 of 100 gists",
            "later each day"
            if follows.freshness_p95_seconds is None
            else f"within {_time(follows.freshness_p95_seconds)}",
            "",
        ),
        (
            "what the public feed misses is found",
            f"within {_time(follows.found_within_seconds)}",
            f"{_time(present.freshness_p95_seconds)} ago (95 of 100 users)"
            if present and present.freshness_p95_seconds is not None
            else "",
        ),
    ]
    users = [SizingRow("users", "", f"{present.users:,}")] if present else []
    return (*users, *(SizingRow(*row) for row in rows))


def _time(seconds: float) -> str:
    return format_duration(parse_duration(f"{max(1, round(seconds))}s"))


def _size(number: float) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"  # noqa: PLR2004
