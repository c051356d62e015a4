"""`/api/v1/inbox`: gists as a reader finds them, marks of them, and saved filters."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from pydantic import Field

from gitpip.actions import inbox as actions
from gitpip.bodies.inbox import InboxBody, InboxGistBody, MarkBody, SavedFilterBody
from gitpip.clock import utc_now
from gitpip.errors import InvalidInput
from gitpip.model import GistId, Role, VisitId
from gitpip.store.inbox import entries, filters, pages, saved
from gitpip.store.inbox.filters import InboxFilter
from gitpip.store.inbox.saved import FilterId
from gitpip.web.api.parameters import Number, RequestBody
from gitpip.web.api.router import api_router
from gitpip.web.auth.identity import CurrentIdentity
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, ReaderActing
from gitpip.web.inbox_query import AskedFilter, start_of

router = api_router("inbox")

MAX_GISTS = 500
"""The most gists that are listed or marked at once."""


class FilterFields(RequestBody):
    """The filters of the inbox; an empty one does not narrow."""

    q: str = Field("", max_length=200)
    language: str = Field("", max_length=200)
    tag: str = Field("", max_length=50)
    state: str = ""
    user: str = Field("", max_length=100)
    since: str = ""
    until: str = ""
    by: str = ""
    show: str = ""


class NewFilter(FilterFields):
    """A filter to be saved under a name."""

    name: str


class NewMark(RequestBody):
    """The gists to mark as read, or as unread; `everything` is what came up to now."""

    gists: list[str] = Field(default_factory=list, max_length=MAX_GISTS)
    everything: bool = False
    read: bool = True


@router.get("/inbox")
@needs(Role.VIEWER)
async def list_gists(
    context: Context,
    identity: CurrentIdentity,
    asked: AskedFilter,
    before: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
) -> InboxBody:
    """List the gists that you have not read, or those that match a filter."""
    viewer = identity.viewer_for(None)
    start = start_of(before)
    async with context.database.read() as transaction:
        wanted = await filters.wanted(transaction, asked, utc_now())
        found = await pages.page(transaction, viewer, wanted, before=start, limit=limit)
        listed = await entries.entries(transaction, viewer, found.ids, content_limit=0)
    return InboxBody(
        items=[InboxGistBody.of(entry) for entry in listed],
        next=str(found.next) if found.next else None,
    )


@router.post("/inbox/marks", status_code=HTTPStatus.CREATED)
@needs(Role.VIEWER)
async def mark(new: NewMark, acting: ReaderActing, identity: CurrentIdentity) -> MarkBody:
    """Mark gists as read or as unread, or everything as read."""
    viewer = identity.viewer_for(None)
    if new.everything:
        return MarkBody.of(await actions.mark_all(acting, viewer))
    chosen: Mapping[GistId, int | None] = {GistId(one): None for one in new.gists}
    if not chosen:
        raise InvalidInput("gists", "name at least one gist to mark, or everything")
    return MarkBody.of(await actions.mark(acting, viewer, chosen, read=new.read))


@router.post("/inbox/marks/{visit_id}/undo")
@needs(Role.VIEWER)
async def undo(visit_id: Number, acting: ReaderActing, identity: CurrentIdentity) -> MarkBody:
    """Undo your last mark."""
    return MarkBody.of(await actions.undo(acting, identity.viewer_for(None), VisitId(visit_id)))


@router.get("/inbox/filters")
@needs(Role.VIEWER)
async def list_filters(context: Context, identity: CurrentIdentity) -> list[SavedFilterBody]:
    """List your saved filters by name."""
    async with context.database.read() as transaction:
        kept = await saved.of_viewer(transaction, identity.viewer_for(None))
    return [SavedFilterBody.of(one) for one in kept]


@router.post("/inbox/filters", status_code=HTTPStatus.CREATED)
@needs(Role.VIEWER)
async def save_filter(
    new: NewFilter, acting: ReaderActing, identity: CurrentIdentity
) -> SavedFilterBody:
    """Save a filter. It replaces one with the same name."""
    asked = InboxFilter.of(new.model_dump(exclude={"name"}))
    viewer = identity.viewer_for(None)
    return SavedFilterBody.of(await actions.save_filter(acting, viewer, new.name, asked))


@router.delete("/inbox/filters/{filter_id}")
@needs(Role.VIEWER)
async def delete_filter(
    filter_id: Number, acting: ReaderActing, identity: CurrentIdentity
) -> SavedFilterBody:
    """Delete a saved filter."""
    viewer = identity.viewer_for(None)
    return SavedFilterBody.of(await actions.delete_filter(acting, viewer, FilterId(filter_id)))
