"""`/api/v1/capacity`: what so many users and gists would cost, next to what there is."""

from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator

from gitpip.bodies.capacity import CapacityBody, SizingBody, TodayBody
from gitpip.clock import utc_now
from gitpip.model import Role
from gitpip.status.planning import PlanOptions, wanted
from gitpip.status.sizing import sizing
from gitpip.store.status import today
from gitpip.validation import decimal_in_text, whole_in_text
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context

router = api_router("status")
_WHOLE = BeforeValidator(whole_in_text)
_DECIMAL = BeforeValidator(decimal_in_text)


@router.get("/capacity")
@needs(Role.VIEWER)
async def show_capacity(
    context: Context,
    *,
    users: Annotated[
        int | None, _WHOLE, Query(description="The tracked users if not given.")
    ] = None,
    gists_per_day: Annotated[
        float | None,
        _DECIMAL,
        Query(description="Of all users; if not given, as many for each user as in the last week."),
    ] = None,
    pipedrive_plan: Annotated[
        str, Query(max_length=100, description="lite, growth, premium or ultimate.")
    ] = PlanOptions.pipedrive_plan,
    seats: Annotated[int, _WHOLE] = PlanOptions.seats,
    check_interval: Annotated[
        str | None, Query(max_length=100, description="Such as 3h; the present one if not given.")
    ] = None,
    files_per_gist: Annotated[float, _DECIMAL] = PlanOptions.files_per_gist,
    bytes_per_file: Annotated[int, _WHOLE] = PlanOptions.bytes_per_file,
    backlog: Annotated[
        int, _WHOLE, Query(description="Files that wait already.")
    ] = PlanOptions.backlog,
    github_token: Annotated[
        str, Query(max_length=100, description="classic, fine-grained or none.")
    ] = PlanOptions.github_token,
) -> CapacityBody:
    """Estimate what a number of users and gists cost, next to the present numbers."""
    asked = PlanOptions(
        users=users,
        gists_per_day=gists_per_day,
        pipedrive_plan=pipedrive_plan,
        seats=seats,
        check_interval=check_interval,
        files_per_gist=files_per_gist,
        bytes_per_file=bytes_per_file,
        backlog=backlog,
        github_token=github_token,
    )
    async with context.database.read() as transaction:
        present = await today.read(transaction, utc_now())
    plan = sizing(wanted(asked, present, context.settings))
    return CapacityBody(plan=SizingBody.of(plan), today=TodayBody.of(present))
