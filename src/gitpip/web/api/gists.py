"""`/api/v1/gists`: what was found, of all users and of one."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Literal

from fastapi import Path, Query, Response
from pydantic import TypeAdapter

from gitpip.bodies.gists import FileBody, FileWithContent
from gitpip.bodies.noun import ListBody
from gitpip.clock import utc_now
from gitpip.errors import GistNotFound
from gitpip.model import (
    FileKey,
    GistId,
    Role,
)
from gitpip.store.database import Transaction
from gitpip.store.gists import gists
from gitpip.store.users import users
from gitpip.store.visits import visits
from gitpip.web.api.long_list import json_array
from gitpip.web.api.parameters import Limit, Login, Offset, Viewer
from gitpip.web.api.router import api_router
from gitpip.web.auth.identity import CurrentIdentity
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context

router = api_router()
FILES = TypeAdapter(list[FileWithContent])


@router.get("/users/{login}/gists", tags=["gists"])
@needs(Role.VIEWER)
async def list_gists_of_user(
    *,
    login: Login,
    context: Context,
    since: Annotated[
        Literal["visit"] | None, Query(description="`visit`: only what is new, recording nothing.")
    ] = None,
    viewer: Viewer = None,
    identity: CurrentIdentity,
    offset: Offset = 0,
    limit: Limit = 100,
) -> ListBody[FileBody]:
    """List a user's gist files: all, newest first, or new ones since a visit, oldest first."""
    async with context.database.read() as transaction:
        user = await users.find(transaction, login)
        if since is None:
            page = await gists.page(
                transaction, offset=offset, limit=limit, user_key=user.key, content_limit=0
            )
            items, total = page.items, page.total
        else:
            look = await visits.look(
                transaction, user, viewer=identity.viewer_for(viewer), now=utc_now()
            )
            # A user's sequence has no gaps.
            first = look.after + offset
            items = await gists.between(
                transaction,
                user.key,
                after=first,
                up_to=min(first + limit, look.up_to),
                content_limit=0,
            )
            total = look.up_to - look.after
    bodies = [FileBody.of(file) for file in items]
    return ListBody(items=bodies, total=total, offset=offset, limit=limit)


@router.get("/gists", tags=["gists"])
@needs(Role.VIEWER)
async def list_gists(
    context: Context, offset: Offset = 0, limit: Limit = 100
) -> ListBody[FileBody]:
    """List the gist files of all tracked users, most recently found first."""
    async with context.database.read() as transaction:
        page = await gists.page(transaction, offset=offset, limit=limit, content_limit=0)
    items = [FileBody.of(file) for file in page.items]
    return ListBody(items=items, total=page.total, offset=offset, limit=limit)


@router.get("/gists/{gist_id}", tags=["gists"], response_model=list[FileWithContent])
@needs(Role.VIEWER)
async def get_gist(
    gist_id: Annotated[str, Path(pattern="^[0-9A-Za-z]{1,64}$")], context: Context
) -> Response:
    """Get the files of a gist with their contents."""
    async with context.database.read() as transaction:
        keys = await gists.keys_of_gist(transaction, GistId(gist_id))
        if not keys:
            raise GistNotFound(f"no gist {gist_id} is known")
        return await json_array(_one_by_one(transaction, GistId(gist_id), keys), FILES)


async def _one_by_one(
    transaction: Transaction, gist_id: GistId, keys: Sequence[FileKey]
) -> AsyncIterator[list[FileWithContent]]:
    """The files of a gist, each alone: some 300 of a megabyte each would fill the memory."""
    for key in keys:
        if file := await gists.file_of_gist(transaction, gist_id, key):
            yield [FileWithContent.of(file)]
