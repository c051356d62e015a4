"""`/api/v1/publishing`: what would be sent; pause all publishing, and resume it."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from gitpip.actions import publishing as actions
from gitpip.bodies.publishing import PersonsPauseBody, PlanBody, ResumedBody
from gitpip.clock import utc_now
from gitpip.model import Role
from gitpip.publish.plan import plan
from gitpip.publish.policy import Policies
from gitpip.web.api.parameters import RequestBody
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

router = api_router("publications")


class PauseWanted(RequestBody):
    """The end of a pause of publishing: a time, a duration, or none."""

    until: str = ""
    """A time like `2026-01-31T08:00`, UTC if it names no zone."""
    lasts: str = Field("", alias="for")
    """A duration like `90m` or `12h`."""
    reason: str = ""


@router.get("/publishing/plan")
@needs(Role.VIEWER)
async def show_plan(
    context: Context,
    limit: Annotated[int, Query(ge=1, le=500, description="How many items at most.")] = 100,
) -> PlanBody:
    """Get what would be sent next, where it would go, and what that costs."""
    async with context.database.read() as transaction:
        policy = await Policies(context.settings.publishing).read(transaction)
        found = await plan(transaction, context.preview, policy, utc_now(), limit=limit)
    return PlanBody.of(found)


@router.post("/publishing/pause")
@needs(Role.OPERATOR)
async def pause_publishing(wanted: PauseWanted, acting: CurrentActing) -> PersonsPauseBody:
    """Pause publishing in all replicas, until the pause ends or someone resumes it.

    A second pause replaces the first.
    """
    return PersonsPauseBody.of(
        await actions.pause_publishing(
            acting, until=wanted.until, lasts=wanted.lasts, reason=wanted.reason
        )
    )


@router.post("/publishing/resume")
@needs(Role.OPERATOR)
async def resume_publishing(acting: CurrentActing) -> ResumedBody:
    """End a person's pause. Pauses that gitpip made go on."""
    return ResumedBody(resumed=await actions.resume_publishing(acting) is not None)
