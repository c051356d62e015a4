"""Bodies of what so many users and gists would cost."""

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody
from gitpip.bodies.status import BudgetBody
from gitpip.clock import utc_now
from gitpip.status.sizing import Sizing
from gitpip.store.status.today import Today


class SizingBody(NounBody[Sizing]):
    """The result of a plan."""

    github_points_per_hour: float
    github_points_percent: float
    github_requests_per_hour: float
    github_requests_percent: float
    shortest_interval_seconds: float | None
    """Null where new gists take all requests."""
    files_per_day: float
    tokens_per_day: float
    tokens_percent: float
    """The share of the daily budget of the Pipedrive plan."""
    tokens_of_plan: int
    tokens_once: int
    """For a deal for each user."""
    backlog_days: float | None
    """Null where it would never end."""
    bytes_per_year: float
    freshness_p95_seconds: float | None
    """Null beyond a limit."""
    found_within_seconds: float
    warnings: list[str]
    """Each thing that does not fit, with what would."""


class TodayBody(BaseModel):
    """The present numbers."""

    users: int
    gists_per_day: float
    """Created within the last seven days, by GitHub's clock."""
    files_per_day: float
    freshness_p95_seconds: float | None
    published_p95_seconds: float | None
    """Within which 95 of 100 new gists of the last seven days were in Pipedrive."""
    queue_seconds: float | None
    """For the queue at the recent pace. Null if nothing waits or nothing was published recently."""
    database_bytes: int
    budgets: list[BudgetBody]

    @classmethod
    def of(cls, present: Today) -> "TodayBody":
        """The body of what the rows say."""
        now = utc_now()
        return cls(
            users=present.users,
            gists_per_day=present.gists_per_day,
            files_per_day=present.files_per_day,
            freshness_p95_seconds=present.freshness_p95_seconds,
            published_p95_seconds=present.published_p95_seconds,
            queue_seconds=present.queue_seconds,
            database_bytes=present.database_bytes,
            budgets=[BudgetBody.of(budget, now) for budget in present.budgets],
        )


class CapacityBody(BaseModel):
    """A plan, next to the present numbers."""

    plan: SizingBody
    today: TodayBody
