"""The original's endpoints, kept as they were."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Response
from pydantic import BaseModel, TypeAdapter

from gitpip.actions import visits as visit_actions
from gitpip.actions.users import add_user
from gitpip.bodies.gists import FileBody
from gitpip.model import Role
from gitpip.store.database import Transaction
from gitpip.store.users import users
from gitpip.store.visits.visits import SHARED_VIEWER, Visit
from gitpip.validation import EXTERNAL_ID_LIMIT
from gitpip.web.api.long_list import FILES, files_shown_by, json_array
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing, ReaderActing

router = api_router("original", prefix="")

Login = Annotated[str, Path(description="A GitHub login.", max_length=100)]


class TrackedUser(BaseModel):
    """A tracked user: GitHub's login, and the caller's id."""

    login: str
    id: str


LIST = TypeAdapter(list[TrackedUser])


@router.get("/users", response_model=list[TrackedUser])
@needs(Role.VIEWER)
async def list_users(context: Context) -> Response:
    """List all tracked users, in the order in which they were added."""
    async with context.database.read() as transaction:
        return await json_array(_tracked(transaction), LIST)


async def _tracked(transaction: Transaction) -> AsyncIterator[list[TrackedUser]]:
    async for page in users.in_pages(transaction):
        yield [TrackedUser(login=login, id=external_id) for login, external_id in page]


@router.post(
    "/users/{login}/{user_id}",
    status_code=HTTPStatus.CREATED,
    responses={
        200: {"description": "The same pair was tracked already.", "model": TrackedUser},
        202: {"description": "Tracked; GitHub can't be asked now.", "model": TrackedUser},
    },
)
@needs(Role.OPERATOR)
async def track_user(
    login: Login,
    user_id: Annotated[str, Path(max_length=EXTERNAL_ID_LIMIT, description="Your own id.")],
    context: Context,
    acting: CurrentActing,
    response: Response,
) -> TrackedUser:
    """Track a user under your own unique id."""
    added = await add_user(
        acting,
        login,
        external_id=user_id,
        backfill=context.settings.backfill,
        find_account=context.find_account,
    )
    if not added.new:
        response.status_code = HTTPStatus.OK
    elif added.user.github_id is None:
        response.status_code = HTTPStatus.ACCEPTED
    return TrackedUser(login=added.user.login, id=added.user.external_id)


@router.post("/latestgists/{login}", response_model=list[FileBody])
@needs(Role.VIEWER)
async def latest_gists(login: Login, acting: ReaderActing) -> Response:
    """List the gist files since the last visit, oldest first, and record a visit."""
    return await visit_actions.record(acting, login, SHARED_VIEWER, _files)


async def _files(transaction: Transaction, visit: Visit) -> Response:
    return await json_array(files_shown_by(transaction, visit), FILES)
