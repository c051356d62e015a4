"""`/api/v1/capacity`: what so many users and gists would cost, beside what there is."""

from typing import Annotated

from fastapi import APIRouter, Query

from gitpip.bodies.capacity import CapacityBody, SizingBody, TodayBody
from gitpip.clock import utc_now
from gitpip.config import parse_duration
from gitpip.errors import InvalidInput
from gitpip.model import Role
from gitpip.status.sizing import GitHubToken, Wanted, sizing
from gitpip.store.status import today
from gitpip.web.api.problems import PROBLEMS
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import Context

router = APIRouter(route_class=RoleRoute, prefix="/api/v1", tags=["status"], responses=PROBLEMS)


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
    """Return what so many users and gists cost, beside the present numbers."""
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
