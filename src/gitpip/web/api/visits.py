"""`/api/v1/visits`: what a viewer has seen of a user."""

from http import HTTPStatus

from fastapi import Response

from gitpip.actions import visits as actions
from gitpip.bodies.visits import VisitBody
from gitpip.model import Role, VisitId
from gitpip.store.database import Transaction
from gitpip.store.users import users
from gitpip.store.visits import visits
from gitpip.store.visits.visits import Visit
from gitpip.web.api.long_list import visit_body
from gitpip.web.api.parameters import Limit, Login, Number, Viewer
from gitpip.web.api.router import api_router
from gitpip.web.auth.identity import CurrentIdentity
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, ReaderActing

router = api_router()


@router.get("/users/{login}/visits", tags=["visits"])
@needs(Role.VIEWER)
async def list_visits(login: Login, context: Context, limit: Limit = 20) -> list[VisitBody]:
    """List a user's latest visits, newest first, without the files that they showed."""
    async with context.database.read() as transaction:
        user = await users.find(transaction, login)
        latest = await visits.of_user(transaction, user.key, limit=limit)
        return [VisitBody.of(visit) for visit in latest]


@router.post(
    "/users/{login}/visits",
    tags=["visits"],
    status_code=HTTPStatus.CREATED,
    response_model=VisitBody,
)
@needs(Role.VIEWER)
async def record_visit(
    login: Login, acting: ReaderActing, identity: CurrentIdentity, viewer: Viewer = None
) -> Response:
    """Record a visit, and get the files that were new."""
    return await actions.record(acting, login, identity.viewer_for(viewer), _created)


@router.get("/visits/{visit_id}", tags=["visits"], response_model=VisitBody)
@needs(Role.VIEWER)
async def get_visit(visit_id: Number, context: Context) -> Response:
    """Get the files that a visit showed."""
    async with context.database.read() as transaction:
        visit = await visits.get(transaction, VisitId(visit_id))
        return await visit_body(transaction, visit)


async def _created(transaction: Transaction, visit: Visit) -> Response:
    return await visit_body(transaction, visit, status_code=HTTPStatus.CREATED)
