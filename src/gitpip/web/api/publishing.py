"""`/api/v1/publishing`: what would be sent; pause publishing for everybody, and resume it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gitpip.actions import publishing as actions
from gitpip.bodies.noun import NounBody
from gitpip.clock import utc_now
from gitpip.model import Role
from gitpip.modes import HeldBecause
from gitpip.publish.plan import Plan, Planned, plan
from gitpip.publish.policy import Policies
from gitpip.store.status.publishing_pause import PersonsPause
from gitpip.web.api.parameters import RequestBody
from gitpip.web.api.problems import PROBLEMS
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import Context, CurrentActing

router = APIRouter(
    route_class=RoleRoute, prefix="/api/v1", tags=["publications"], responses=PROBLEMS
)


class PauseWanted(RequestBody):
    """How long publishing is to be paused: until a time, for a while, or without an end."""

    until: str = ""
    """A time like `2026-01-31T08:00`, UTC if it names no zone."""
    lasts: str = Field("", alias="for")
    """A duration like `90m` or `12h`."""
    reason: str = ""


class PersonsPauseBody(NounBody[PersonsPause]):
    """A person's pause of publishing. Times are UTC."""

    paused_by: str
    since: datetime
    until: datetime | None
    """Null where it lasts until somebody resumes publishing."""
    reason: str


class ResumedBody(BaseModel):
    """What became of a person's pause."""

    resumed: bool
    """False where nobody had paused publishing."""


class PlannedBody(NounBody[Planned]):
    """One activity that would be sent, or why it would not."""

    id: int
    login: str
    filename: str
    deal_id: int | None
    """Null where the deal is still to be found or made, and where the target is no deal."""
    target: str | None
    """The user's target; null for the deal by its title."""
    subject: str
    note_bytes: int
    tokens: int
    """At the most, with those for the user's deal where this is the first that needs it."""
    held_because: HeldBecause | None
    reason: str | None
    """Why it would be held or skipped; null where it would be sent."""
    part_of: int | None
    """The publication with whose activity it would go out."""


class PlanBody(NounBody[Plan]):
    """What would be sent if no dry run kept it back, in its order; nothing is sent for this."""

    items: list[PlannedBody]
    activities: int
    """All that wait, also those that `items` has no room for."""
    deals: int
    tokens: int
    """Of Pipedrive's daily budget, at the most."""
    held: dict[HeldBecause, int]
    """How many files are held already, for each reason, and wait for a person."""


@router.get("/publishing/plan")
@needs(Role.VIEWER)
async def show_plan(
    context: Context,
    limit: Annotated[int, Query(ge=1, le=500, description="How many items at most.")] = 100,
) -> PlanBody:
    """What would be sent next, where, and what that costs."""
    async with context.database.read() as transaction:
        policy = await Policies(context.settings.publishing).read(transaction)
        found = await plan(transaction, context.preview, policy, utc_now(), limit=limit)
    return PlanBody.of(found)


@router.post("/publishing/pause")
@needs(Role.OPERATOR)
async def pause_publishing(wanted: PauseWanted, acting: CurrentActing) -> PersonsPauseBody:
    """Pause publishing in all processes, until the pause ends or somebody resumes it.

    Given again, it counts as it was given last.
    """
    return PersonsPauseBody.of(
        await actions.pause_publishing(
            acting, until=wanted.until, lasts=wanted.lasts, reason=wanted.reason
        )
    )


@router.post("/publishing/resume")
@needs(Role.OPERATOR)
async def resume_publishing(acting: CurrentActing) -> ResumedBody:
    """End a person's pause. Pauses that gitpip made are not ended by it."""
    return ResumedBody(resumed=await actions.resume_publishing(acting) is not None)
