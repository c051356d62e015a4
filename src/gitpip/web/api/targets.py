"""`/api/v1/targets`: what there is in Pipedrive to put a user's activities to."""

from gitpip.bodies.targets import FoundBody, HitBody
from gitpip.model import Role
from gitpip.publish import chosen_targets
from gitpip.web.api.parameters import RequestBody
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context

router = api_router()


class TargetSearch(RequestBody):
    """The text to search for."""

    term: str


@router.post("/targets/search", tags=["users"])
@needs(Role.OPERATOR)
async def search_targets(wanted: TargetSearch, context: Context) -> FoundBody:
    """Search deals, leads, persons and organizations by a part of their name.

    A search costs 20 tokens of Pipedrive's daily budget, so it needs an operator, and is no GET.
    """
    hits = await chosen_targets.search(wanted.term, context.search_targets)
    return FoundBody(items=[HitBody.of(hit) for hit in hits])
