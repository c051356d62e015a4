"""`gitpip plan`: what more users and gists would cost, beside what there is."""

from dataclasses import asdict
from typing import Annotated

import typer

from gitpip.cli.output import Json, console, prepared_settings, print_json, read
from gitpip.clock import utc_now
from gitpip.config import format_duration, parse_duration
from gitpip.errors import DatabaseMissing, InvalidInput
from gitpip.status.sizing import Sizing, Wanted, sizing
from gitpip.store.status import today
from gitpip.store.status.today import Today


def plan(  # noqa: PLR0913 - each is an option
    *,
    users: Annotated[int, typer.Option(help="How many users are tracked.")],
    gists_per_day: Annotated[
        float, typer.Option(help="How many gists all of them publish in a day.")
    ],
    pipedrive_plan: Annotated[
        str, typer.Option(help="lite, growth, premium or ultimate.")
    ] = "lite",
    seats: Annotated[int, typer.Option(help="How many seats the Pipedrive account has.")] = 1,
    check_interval: Annotated[
        str | None, typer.Option(help="As GITPIP_CHECK_INTERVAL; the present one if not given.")
    ] = None,
    files_per_gist: Annotated[float, typer.Option(help="On average.")] = 1.5,
    bytes_per_file: Annotated[int, typer.Option(help="On average.")] = 3_000,
    backlog: Annotated[int, typer.Option(help="How many files wait already.")] = 0,
    as_json: Json = False,
) -> None:
    """Show what so many users and gists cost at GitHub, at Pipedrive and on disk.

    What there really is stands beside it, where there is a database. It asks no vendor.
    """
    settings = prepared_settings()
    try:
        interval = parse_duration(check_interval) if check_interval else settings.check_interval
    except ValueError as error:
        raise InvalidInput("check_interval", str(error)) from None
    follows = sizing(
        Wanted(
            users=users,
            gists_per_day=gists_per_day,
            pipedrive_plan=pipedrive_plan,
            seats=seats,
            check_interval=interval,
            files_per_gist=files_per_gist,
            bytes_per_file=bytes_per_file,
            backlog=backlog,
        )
    )
    try:
        present = read(settings, lambda transaction: today.read(transaction, utc_now()))
    except DatabaseMissing:
        present = None
    if as_json:
        print_json({"plan": asdict(follows), "today": present and asdict(present)})
        return
    console.table(_rows(follows, present))
    for warning in follows.warnings:
        console.say(warning, lead="warning ", style="yellow")


def _rows(follows: Sizing, present: Today | None) -> list[dict[str, str]]:
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
        ("shortest check interval", _time(follows.shortest_interval_seconds), ""),
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
    users = [{"": "users", "plan": "", "today": f"{present.users:,}"}] if present else []
    return users + [{"": name, "plan": planned, "today": now} for name, planned, now in rows]


def _time(seconds: float) -> str:
    return format_duration(parse_duration(f"{max(1, round(seconds))}s"))


def _size(number: float) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"  # noqa: PLR2004
