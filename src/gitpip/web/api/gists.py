"""`/api/v1`, but for the users themselves: what was found, published, checked and visited."""

from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.clock import utc_now
from gitpip.errors import GistNotFound
from gitpip.model import (
    CheckId,
    FileKey,
    GistId,
    PublicationId,
    PublicationState,
    Role,
    VisitId,
)
from gitpip.store.gists import gists
from gitpip.store.publications import publications
from gitpip.store.status import checks
from gitpip.store.users import users
from gitpip.store.visits import visits
from gitpip.web.api import status
from gitpip.web.api.long_list import json_array, visit_body
from gitpip.web.api.parameters import Limit, Login, Number, Offset, Viewer, clean_login
from gitpip.web.api.schemas import (
    PROBLEMS,
    ActivityPreview,
    CheckBody,
    FileBody,
    FileWithContent,
    ListBody,
    PublicationBody,
    VisitBody,
    file_bodies,
    file_with_content,
)
from gitpip.web.auth.identity import Who
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import In

router = APIRouter(route_class=RoleRoute, prefix="/api/v1", responses=PROBLEMS)
FILES = TypeAdapter(list[FileWithContent])


@router.get("/users/{login}/gists", tags=["gists"])
@needs(Role.VIEWER)
async def list_gists_of_user(
    *,
    login: Login,
    setting: In,
    since: Annotated[
        Literal["visit"] | None, Query(description="`visit`: only what is new, recording nothing.")
    ] = None,
    viewer: Viewer = None,
    who: Who,
    offset: Offset = 0,
    limit: Limit = 100,
) -> ListBody[FileBody]:
    """A user's gist files: all, newest first; or those since the last visit, oldest first."""
    async with setting.database.read() as transaction:
        user = await users.find(transaction, clean_login(login))
        if since is None:
            page = await gists.page(
                transaction, offset=offset, limit=limit, user_key=user.key, content_limit=0
            )
            items, total = page.items, page.total
        else:
            look = await visits.look(
                transaction, user, viewer=who.viewer_for(viewer), now=utc_now()
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
    return ListBody(items=file_bodies(items), total=total, offset=offset, limit=limit)


@router.get("/users/{login}/visits", tags=["visits"])
@needs(Role.VIEWER)
async def list_visits(login: Login, setting: In, limit: Limit = 20) -> list[VisitBody]:
    """A user's latest visits, newest first, without what they showed."""
    async with setting.database.read() as transaction:
        user = await users.find(transaction, clean_login(login))
        return [
            VisitBody.of(visit, ())
            for visit in await visits.of_user(transaction, user.key, limit=limit)
        ]


@router.post(
    "/users/{login}/visits",
    tags=["visits"],
    status_code=HTTPStatus.CREATED,
    response_model=VisitBody,
)
@needs(Role.VIEWER)
async def record_visit(login: Login, setting: In, who: Who, viewer: Viewer = None) -> Response:
    """Record a visit, and show what was new."""
    async with setting.database.begin() as transaction:
        user = await users.find(transaction, clean_login(login))
        visit = await visits.record(
            transaction, user.key, viewer=who.viewer_for(viewer), now=utc_now()
        )
        return await visit_body(transaction, visit, status_code=HTTPStatus.CREATED)


@router.get("/visits/{visit_id}", tags=["visits"], response_model=VisitBody)
@needs(Role.VIEWER)
async def get_visit(visit_id: Number, setting: In) -> Response:
    """Show again what a visit showed."""
    async with setting.database.read() as transaction:
        visit = await visits.get(transaction, VisitId(visit_id))
        return await visit_body(transaction, visit)


@router.get("/gists", tags=["gists"])
@needs(Role.VIEWER)
async def list_gists(setting: In, offset: Offset = 0, limit: Limit = 100) -> ListBody[FileBody]:
    """The gist files of all tracked users, newest found first."""
    async with setting.database.read() as transaction:
        page = await gists.page(transaction, offset=offset, limit=limit, content_limit=0)
    return ListBody(items=file_bodies(page.items), total=page.total, offset=offset, limit=limit)


@router.get("/gists/{gist_id}", tags=["gists"], response_model=list[FileWithContent])
@needs(Role.VIEWER)
async def get_gist(
    gist_id: Annotated[str, Path(pattern="^[0-9A-Za-z]{1,64}$")], setting: In
) -> Response:
    """The files of one gist with their contents."""
    async with setting.database.read() as transaction:
        keys = await gists.keys_of_gist(transaction, GistId(gist_id))
        if not keys:
            raise GistNotFound(f"no gist {gist_id} is known")
        return await json_array(_one_by_one(transaction, GistId(gist_id), keys), FILES)


async def _one_by_one(
    transaction: AsyncConnection, gist_id: GistId, keys: Sequence[FileKey]
) -> AsyncIterator[list[FileWithContent]]:
    """The files of a gist, each alone: some 300 of a megabyte each would fill the memory."""
    for key in keys:
        if file := await gists.file_of_gist(transaction, gist_id, key):
            yield [file_with_content(file)]


@router.get("/publications", tags=["publications"])
@needs(Role.VIEWER)
async def list_publications(
    setting: In,
    state: PublicationState | None = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> ListBody[PublicationBody]:
    """The publications, newest first, all or those in one state."""
    async with setting.database.read() as transaction:
        page = await publications.page(transaction, offset=offset, limit=limit, state=state)
    items = [PublicationBody.of(publication) for publication in page.items]
    return ListBody(items=items, total=page.total, offset=offset, limit=limit)


@router.get("/publications/{publication_id}", tags=["publications"])
@needs(Role.VIEWER)
async def get_publication(publication_id: Number, setting: In) -> PublicationBody:
    """One publication."""
    async with setting.database.read() as transaction:
        return PublicationBody.of(
            await publications.get(transaction, PublicationId(publication_id))
        )


@router.get("/publications/{publication_id}/preview", tags=["publications"])
@needs(Role.VIEWER)
async def preview_publication(publication_id: Number, setting: In) -> ActivityPreview:
    """What exactly would be sent to Pipedrive now."""
    async with setting.database.read() as transaction:
        publication = await publications.get(transaction, PublicationId(publication_id))
        user = await users.get(transaction, publication.user_key)
        activity = await setting.preview(transaction, publication.file_key, publication.revision)
    deal_id = publication.deal_id or user.deal_id
    return ActivityPreview(subject=activity.subject, note=activity.note, deal_id=deal_id)


@router.post("/publications/{publication_id}/retry", tags=["publications"])
@needs(Role.OPERATOR)
async def retry_publication(publication_id: Number, setting: In, who: Who) -> PublicationBody:
    """Send a publication that failed, was skipped or is held, or one that waits now."""
    async with setting.database.begin() as transaction:
        moved = await publications.retry(transaction, PublicationId(publication_id), utc_now())
        await who.did(transaction, "publication.retried", str(publication_id))
    await setting.wake("publish")
    return PublicationBody.of(moved)


@router.post("/publications/{publication_id}/skip", tags=["publications"])
@needs(Role.OPERATOR)
async def skip_publication(publication_id: Number, setting: In, who: Who) -> PublicationBody:
    """Decide that a publication is not to be sent."""
    async with setting.database.begin() as transaction:
        moved = await publications.skip(transaction, PublicationId(publication_id), utc_now())
        await who.did(transaction, "publication.skipped", str(publication_id))
    return PublicationBody.of(moved)


@router.get("/checks", tags=["checks"])
@needs(Role.VIEWER)
async def list_checks(setting: In, offset: Offset = 0, limit: Limit = 20) -> ListBody[CheckBody]:
    """The checks, newest first."""
    async with setting.database.read() as transaction:
        page = await checks.page(transaction, offset=offset, limit=limit)
    items = [CheckBody.of(check) for check in page.items]
    return ListBody(items=items, total=page.total, offset=offset, limit=limit)


@router.post("/checks", tags=["checks"], status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def request_check(setting: In, who: Who) -> CheckBody:
    """Check every tracked user now."""
    async with setting.database.begin() as transaction:
        check = await checks.get(transaction, await checks.request(transaction, utc_now()))
        await who.did(transaction, "check.requested", str(check.id))
    await setting.wake("check")
    return CheckBody.of(check)


@router.get("/checks/{check_id}", tags=["checks"])
@needs(Role.VIEWER)
async def get_check(check_id: Number, setting: In) -> CheckBody:
    """One check."""
    async with setting.database.read() as transaction:
        return CheckBody.of(await checks.get(transaction, CheckId(check_id)))


@router.get("/status", tags=["status"])
@needs(Role.VIEWER)
async def get_status(setting: In) -> status.StatusBody:
    """How the service is doing."""
    return await status.status_of(setting)


@router.post("/pauses/{name}/try", tags=["status"])
@needs(Role.OPERATOR)
async def try_now(name: status.Pausable, setting: In, who: Who) -> status.TriedBody:
    """End a pause: one request is made, and it pauses again if that is refused.

    A pause during which GitHub asked to wait can't be ended (409).
    """
    return await status.end_pause(setting, name, who)


@router.post("/notes/{act}", tags=["publications"])
@needs(Role.OPERATOR)
async def act_on_failed_notes(act: status.NotesAct, setting: In, who: Who) -> status.NotesBody:
    """Bring the notes that Pipedrive refused up to date once more, or leave them as they are."""
    return await status.act_on_failed_notes(setting, act, who)
