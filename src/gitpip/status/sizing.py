"""The costs of a number of users and gists at both vendors and on disk, without I/O.

Costs are those of the vendors' documents and of `docs/benchmarks.md`; what the vendors charge is
the same for everybody, so nothing here is asked of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from gitpip.capacity import (
    MOST_USERS_A_POINT,
    POINTS,
    REQUESTS_WITH_TOKEN,
    REQUESTS_WITHOUT_TOKEN,
)
from gitpip.config import LONGEST_DURATION, format_duration
from gitpip.errors import InvalidInput
from gitpip.publish.comparison_allowance import REFILL_INTERVAL
from gitpip.publish.token_costs import (
    ACTIVITY_TOKENS,
    DAILY_TOKENS,
    DEAL_TOKENS,
    LIST_TOKENS,
    LOOK_TOKENS,
)
from gitpip.validation import any_of

PLANS: Final[Mapping[str, int]] = {"lite": 1, "growth": 2, "premium": 5, "ultimate": 7}
"""Pipedrive's plans, with the factor of the daily budget."""
UNCERTAIN_SHARE: Final = 0.01
"""The share of files assumed to be searched for, with a list for each."""
COMPARISONS_A_DAY: Final = timedelta(days=1) / REFILL_INTERVAL
"""The most comparisons a day: before something new is sent, gitpip reads what is in Pipedrive."""
HOUR: Final = timedelta(hours=1)
FEED_REQUESTS: Final = 60
"""The requests an hour for the public feed, which is read once a minute."""
REQUESTS_A_GIST: Final = 2
"""The requests for a new gist: the owner's list, and the contents."""
ROWS_OF_A_FILE: Final = 2_000
"""The bytes of a file's rows and their indexes, measured on SQLite with 190 files."""
COPIES_OF_CONTENT: Final = 2
"""The most copies of a content: the text, and the index of the search."""
FEED_FRESHNESS: Final = timedelta(minutes=1)
"""The time by which 95 of 100 new gists are in the CRM (`benchmarks.freshness`)."""
MAX_NUMBER: Final = 10**9
TOO_LONG_TO_SHOW: Final = 10**18


class GitHubToken(StrEnum):
    """The kind of token for GitHub."""

    CLASSIC = "classic"
    """GraphQL checks 100 users for a point."""
    FINE_GRAINED = "fine-grained"
    """GraphQL shows it no gists, so REST is asked about each user."""
    NONE = "none"
    """60 requests an hour by REST, and the public feed is not read."""


@dataclass(frozen=True)
class PlanInput:
    """A plan. Raises InvalidInput, with the field, if a value makes no sense."""

    users: int
    gists_per_day: float
    """The number of all users' gists together."""
    pipedrive_plan: str
    seats: int
    check_interval: timedelta
    files_per_gist: float
    bytes_per_file: int
    backlog: int
    """The files that wait already, such as those of the users' past."""
    github_token: str
    github_share: float
    """The share of GitHub's limits that gitpip uses, above 0 and up to 1."""

    def __post_init__(self) -> None:
        for field, value, least, most in (
            ("users", self.users, 1, MAX_NUMBER),
            ("gists_per_day", self.gists_per_day, 0, MAX_NUMBER),
            ("seats", self.seats, 1, 100_000),
            ("files_per_gist", self.files_per_gist, 1, 1_000),
            ("bytes_per_file", self.bytes_per_file, 0, MAX_NUMBER),
            ("backlog", self.backlog, 0, MAX_NUMBER),
        ):
            if not least <= value <= most:
                is_long = isinstance(value, int) and abs(value) >= TOO_LONG_TO_SHOW
                said = "a longer number" if is_long else f"{value:g}"
                raise InvalidInput(field, f"must be from {least} to {most}, not {said}")
        if self.pipedrive_plan not in PLANS:
            raise InvalidInput(
                "pipedrive_plan", f"must be {any_of(PLANS)}, not {self.pipedrive_plan!r}"
            )
        if self.github_token not in list(GitHubToken):
            raise InvalidInput(
                "github_token", f"must be {any_of(GitHubToken)}, not {self.github_token!r}"
            )
        if not timedelta(seconds=1) <= self.check_interval <= LONGEST_DURATION:
            raise InvalidInput("check_interval", "must be 1s or more, e.g. 3h")


@dataclass(frozen=True)
class Sizing:
    """The consequences of a plan."""

    github_points_per_hour: float
    """The points of GraphQL. Only a classic token uses any."""
    github_points_percent: float
    github_requests_per_hour: float
    """The requests of REST: new gists and the public feed; without a classic token also one for
    each check."""
    github_requests_percent: float
    """The percentage of 5,000 requests, or of 60 without a token."""
    shortest_interval_seconds: float | None
    """The shortest interval in which all users can be checked; None if new gists take all
    requests."""
    files_per_day: float
    tokens_per_day: float
    tokens_percent: float
    """The percentage of the plan's daily budget."""
    tokens_of_plan: int
    tokens_once: int
    """The tokens for a deal for each user."""
    backlog_days: float | None
    """The days for the backlog and the deals, while new files come; None if they never end."""
    bytes_per_year: float
    freshness_p95_seconds: float | None
    """The age of a new gist when it reaches the CRM, by the public feed; None beyond a limit."""
    found_within_seconds: float
    """The time by which gists are found that the public feed misses."""
    warnings: tuple[str, ...]
    """The limits that are exceeded, with what would suffice."""


@dataclass(frozen=True)
class _GitHubCosts:
    """The requests to GitHub in an hour, and the shortest time to ask about everybody again."""

    points: float
    requests: float
    limit: int
    """GitHub's limit of requests."""
    usable: float
    """The share of the limit that gitpip uses, in requests."""
    shortest: timedelta | None
    reads_feed: bool


def _github(wanted: PlanInput) -> _GitHubCosts:
    by_graphql = wanted.github_token == GitHubToken.CLASSIC
    reads_feed = wanted.github_token != GitHubToken.NONE
    most = REQUESTS_WITH_TOKEN if reads_feed else REQUESTS_WITHOUT_TOKEN
    usable = most * wanted.github_share
    beside = FEED_REQUESTS * reads_feed + wanted.gists_per_day / 24 * REQUESTS_A_GIST
    if by_graphql:
        points = wanted.users / MOST_USERS_A_POINT * (HOUR / wanted.check_interval)
        fastest = HOUR * (wanted.users / MOST_USERS_A_POINT / (POINTS * wanted.github_share))
        return _GitHubCosts(points, beside, most, usable, _shortest(fastest), reads_feed)
    # A token does not pay for an unchanged list, but the plan does not rely on that.
    checks = wanted.users * (HOUR / wanted.check_interval)
    left = usable - beside
    fastest_by_rest = _shortest(HOUR * (wanted.users / left)) if left > 0 else None
    return _GitHubCosts(0, beside + checks, most, usable, fastest_by_rest, reads_feed)


def _shortest(fastest: timedelta) -> timedelta:
    return max(fastest, timedelta(seconds=1))


def sizing(wanted: PlanInput) -> Sizing:
    """Return all consequences of a plan."""
    github = _github(wanted)
    files = wanted.gists_per_day * wanted.files_per_gist
    # Once for each gist, Pipedrive is asked about its user's deal.
    looks = wanted.gists_per_day * LOOK_TOKENS
    compared = min(wanted.gists_per_day, COMPARISONS_A_DAY) * LIST_TOKENS
    tokens = files * (ACTIVITY_TOKENS + UNCERTAIN_SHARE * LIST_TOKENS) + looks + compared
    budget = DAILY_TOKENS * PLANS[wanted.pipedrive_plan] * wanted.seats
    once = wanted.users * DEAL_TOKENS
    waiting = once + wanted.backlog * ACTIVITY_TOKENS
    stored = ROWS_OF_A_FILE + COPIES_OF_CONTENT * wanted.bytes_per_file
    found = max(wanted.check_interval, github.shortest or timedelta(0))
    found_fast = FEED_FRESHNESS if github.reads_feed else found
    return Sizing(
        github_points_per_hour=github.points,
        github_points_percent=100 * github.points / POINTS,
        github_requests_per_hour=github.requests,
        github_requests_percent=100 * github.requests / github.limit,
        shortest_interval_seconds=github.shortest.total_seconds() if github.shortest else None,
        files_per_day=files,
        tokens_per_day=tokens,
        tokens_percent=100 * tokens / budget,
        tokens_of_plan=budget,
        tokens_once=once,
        backlog_days=waiting / (budget - tokens) if tokens < budget else None,
        bytes_per_year=files * 365 * stored,
        freshness_p95_seconds=(
            found_fast.total_seconds()
            if tokens <= budget and github.requests <= github.usable
            else None
        ),
        found_within_seconds=found.total_seconds(),
        warnings=tuple(_warnings(wanted, github, tokens)),
    )


def _warnings(wanted: PlanInput, github: _GitHubCosts, tokens: float) -> Iterator[str]:
    yield from _of_github(wanted, github)
    budget = DAILY_TOKENS * PLANS[wanted.pipedrive_plan] * wanted.seats
    if tokens > budget:
        a_seat = DAILY_TOKENS * PLANS[wanted.pipedrive_plan]
        seats = int(-(-tokens // a_seat))
        yield (
            f"{tokens:,.0f} tokens a day are more than the {budget:,} of {wanted.pipedrive_plan} "
            f"with {wanted.seats:,} {'seat' if wanted.seats == 1 else 'seats'}; {seats:,} seats"
            f"{_larger(wanted, tokens)} are enough"
        )


def _of_github(wanted: PlanInput, github: _GitHubCosts) -> Iterator[str]:
    if wanted.github_token == GitHubToken.FINE_GRAINED:
        yield (
            "With a fine-grained token GitHub is asked about each person alone; a classic token "
            "without any scope asks about 100 at once"
        )
    if wanted.github_token == GitHubToken.NONE:
        yield (
            f"Without a token GitHub allows {REQUESTS_WITHOUT_TOKEN} requests an hour for "
            "this address; the public feed is not read"
        )
    if github.shortest is None or github.shortest > wanted.check_interval:
        by_points = wanted.github_token == GitHubToken.CLASSIC
        what = f"{POINTS:,} points" if by_points else f"{github.limit:,} requests"
        works = "No interval works."
        if github.shortest is not None:
            seconds = timedelta(seconds=-(-github.shortest.total_seconds() // 1))
            works = f"Every {format_duration(seconds)} works."
        yield (
            f"{_part(wanted)}GitHub's {what} an hour are too few to check {wanted.users:,} people "
            f"every {format_duration(wanted.check_interval)}. {works}"
        )
    fit = int((github.usable - FEED_REQUESTS * github.reads_feed) * 24 // REQUESTS_A_GIST)
    if wanted.gists_per_day > fit:
        yield (
            f"{_part(wanted)}GitHub's {github.limit:,} requests an hour are too few to read "
            f"{wanted.gists_per_day:,.0f} gists a day. They are enough for about {fit:,}."
        )


def _part(wanted: PlanInput) -> str:
    if wanted.github_share == 1:
        return ""
    return f"{wanted.github_share:.0%} (GITPIP_GITHUB_SHARE) of "


def _larger(wanted: PlanInput, tokens: float) -> str:
    """Return the smallest plan that suffices with the same seats, or an empty text."""
    for plan, factor in PLANS.items():
        if tokens <= DAILY_TOKENS * factor * wanted.seats:
            return f", or the plan {plan},"
    return ""
