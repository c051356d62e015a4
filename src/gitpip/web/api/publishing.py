"""`/api/v1/publishing`: pause publishing for everybody, and resume it."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gitpip.actions import publishing as actions
from gitpip.model import Role
from gitpip.store.status.publishing_pause import PersonsPause
from gitpip.web.api.schemas import PROBLEMS, NounBody
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import CurrentActing

router = APIRouter(
    route_class=RoleRoute, prefix="/api/v1", tags=["publications"], responses=PROBLEMS
)


class PauseWanted(BaseModel):
    """How long publishing is to be paused: until a time, for a while, or without an end."""

    model_config = ConfigDict(extra="forbid")

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


@router.post("/publishing/pause")
@needs(Role.OPERATOR)
async def pause_publishing(wanted: PauseWanted, acting: CurrentActing) -> PersonsPauseBody:
    """Let nothing be sent to Pipedrive, by any process, until it ends or somebody resumes.

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
