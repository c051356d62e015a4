"""`/api/v1/targets`: what there is in Pipedrive to put a user's activities to."""

from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel

from gitpip.model import Role
from gitpip.publish import chosen_targets
from gitpip.publish.destination import Hit
from gitpip.web.api.parameters import RequestBody
from gitpip.web.api.problems import PROBLEMS
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import Context

router = APIRouter(route_class=RoleRoute, prefix="/api/v1", responses=PROBLEMS)


class TargetSearch(RequestBody):
    """What is looked for."""

    term: str


class HitBody(BaseModel):
    """A deal, lead, person or organization that was found."""

    target: str
    """What to set as a user's `target`, like `deal:42`."""
    title: str
    person: str | None
    organization: str | None
    owner_id: int | None
    fault: str | None
    """Why it can't be chosen; null where it can."""

    @classmethod
    def of(cls, hit: Hit) -> Self:
        """The body of a hit."""
        return cls(
            target=str(hit.target),
            title=hit.title,
            person=hit.person,
            organization=hit.organization,
            owner_id=hit.owner_id,
            fault=hit.fault,
        )


class FoundBody(BaseModel):
    """What was found, the best first; at most 20."""

    items: list[HitBody]


@router.post("/targets/search", tags=["users"])
@needs(Role.OPERATOR)
async def search_targets(wanted: TargetSearch, context: Context) -> FoundBody:
    """Look for deals, leads, persons and organizations by a part of the name.

    It costs 20 tokens of Pipedrive's daily budget, so it is for operators, and no GET.
    """
    hits = await chosen_targets.search(wanted.term, context.search_targets)
    return FoundBody(items=[HitBody.of(hit) for hit in hits])
