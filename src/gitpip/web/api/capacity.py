"""`/api/v1/capacity`: what so many users and gists would cost, beside what there is."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from gitpip.bodies.noun import NounBody
from gitpip.clock import utc_now
from gitpip.config import parse_duration
from gitpip.errors import InvalidInput
from gitpip.model import Role
from gitpip.status.sizing import GitHubToken, Sizing, Wanted, sizing
from gitpip.store.status import today
from gitpip.store.status.today import Today
from gitpip.web.api.problems import PROBLEMS
from gitpip.web.api.status import BudgetBody
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import Context

router = APIRouter(route_class=RoleRoute, prefix="/api/v1", tags=["status"], responses=PROBLEMS)


class SizingBody(NounBody[Sizing]):
    """What follows from what is planned."""

    github_points_per_hour: float
    github_points_percent: float
    github_requests_per_hour: float
    github_requests_percent: float
    shortest_interval_seconds: float | None
    """Null where new gists take all requests."""
    files_per_day: float
    tokens_per_day: float
    tokens_percent: float
    """Of the daily budget of the Pipedrive plan."""
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
    """What does not fit, with what would."""


class TodayBody(BaseModel):
    """How much there really is."""

    users: int
    gists_per_day: float
    """Found within the last seven days."""
    files_per_day: float
    freshness_p95_seconds: float | None
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
            database_bytes=present.database_bytes,
            budgets=[BudgetBody.of(budget, now) for budget in present.budgets],
        )


class CapacityBody(BaseModel):
    """What is planned, beside what there is."""

    plan: SizingBody
    today: TodayBody


@router.get("/capacity")
@needs(Role.VIEWER)
async def show_capacity(
    context: Context,
    *,
    users: Annotated[int | None, Query(description="The tracked users if not given.")] = None,
    gists_per_day: Annotated[
        float | None, Query(description="Of all users; those of the last week if not given.")
    ] = None,
    pipedrive_plan: Annotated[
        str, Query(max_length=100, description="lite, growth, premium or ultimate.")
    ] = "lite",
    seats: int = 1,
    check_interval: Annotated[
        str | None, Query(max_length=100, description="Such as 3h; the present one if not given.")
    ] = None,
    files_per_gist: float = 1.5,
    bytes_per_file: int = 3_000,
    backlog: Annotated[int, Query(description="Files that wait already.")] = 0,
    github_token: Annotated[
        str, Query(max_length=100, description="classic, fine-grained or none.")
    ] = GitHubToken.CLASSIC.value,
) -> CapacityBody:
    """What so many users and gists cost at both vendors and on disk, beside what there is."""
    try:
        interval = (
            parse_duration(check_interval) if check_interval else context.settings.check_interval
        )
    except ValueError as error:
        raise InvalidInput("check_interval", str(error)) from None
    async with context.database.read() as transaction:
        present = await today.read(transaction, utc_now())
    wanted = Wanted(
        users=max(1, present.users) if users is None else users,
        gists_per_day=present.gists_per_day if gists_per_day is None else gists_per_day,
        pipedrive_plan=pipedrive_plan,
        seats=seats,
        check_interval=interval,
        files_per_gist=files_per_gist,
        bytes_per_file=bytes_per_file,
        backlog=backlog,
        github_token=github_token,
    )
    return CapacityBody(plan=SizingBody.of(sizing(wanted)), today=TodayBody.of(present))
