"""`/api/v1/inbox`: gists as a reader finds them, marks of them, and saved filters."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from gitpip.actions import inbox as actions
from gitpip.bodies.noun import NounBody, ShownViewer
from gitpip.clock import utc_now
from gitpip.errors import InvalidInput
from gitpip.model import GistId, PublicationState, Role, VisitId
from gitpip.store.inbox import entries, filters, pages, saved
from gitpip.store.inbox.entries import Entry
from gitpip.store.inbox.filters import Filter
from gitpip.store.inbox.saved import FilterId, SavedFilter
from gitpip.store.visits.home import HomeVisit
from gitpip.web.api.parameters import Number, RequestBody
from gitpip.web.api.problems import PROBLEMS
from gitpip.web.auth.identity import CurrentIdentity
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import Context, CurrentActing

router = APIRouter(route_class=RoleRoute, prefix="/api/v1", tags=["inbox"], responses=PROBLEMS)

MOST = 500
"""How many gists are listed or marked at once at most."""


class InboxGistBody(BaseModel):
    """A gist of the inbox. Times are UTC."""

    gist_id: str
    login: str
    tags: list[str]
    title: str
    """Its description, or the name of a file where it has none."""
    html_url: str
    created_at: datetime
    found_at: datetime
    """When its newest file or content was found."""
    edited_at: datetime | None
    unread: bool
    files: list[str]
    """The names of those that changed last."""
    file_count: int
    state: PublicationState | None
    """Of the file that a person should look at first."""
    activity_id: int | None
    deal_id: int | None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The body of a gist."""
        return cls(
            gist_id=entry.gist_id,
            login=entry.login,
            tags=list(entry.tags),
            title=entry.title,
            html_url=entry.html_url,
            created_at=entry.created_at,
            found_at=entry.at,
            edited_at=entry.edit.at if entry.edit else None,
            unread=entry.unread,
            files=[file.filename for file in entry.files],
            file_count=entry.number,
            state=entry.sync.state if entry.sync else None,
            activity_id=entry.sync.activity_id if entry.sync else None,
            deal_id=entry.sync.deal_id if entry.sync else None,
        )


class InboxBody(BaseModel):
    """Gists of the inbox; `next` is the value of `before` for the next ones."""

    items: list[InboxGistBody]
    next: str | None


class FilterFields(RequestBody):
    """What the inbox is asked for; what is empty does not narrow."""

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


class SavedFilterBody(NounBody[SavedFilter]):
    """A filter that a reader saved; `query` has its fields as the address of the inbox has them."""

    id: int
    viewer: ShownViewer
    name: str
    query: str
    saved_at: datetime


class NewMark(RequestBody):
    """Which gists are marked as read, or as unread; `everything` is what came up to now."""

    gists: list[str] = Field(default_factory=list, max_length=MOST)
    everything: bool = False
    read: bool = True


class MarkBody(NounBody[HomeVisit]):
    """What was marked at once. Times are UTC."""

    id: int
    viewer: ShownViewer
    at: datetime
    gists: int
    unread: bool
    undone_at: datetime | None


def _asked(
    *,
    q: Annotated[str, Query(max_length=200)] = "",
    language: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[str, Query(max_length=50)] = "",
    state: str = "",
    user: Annotated[str, Query(max_length=100)] = "",
    since: str = "",
    until: str = "",
    by: str = "",
    show: str = "",
) -> Filter:
    given = {"q": q, "language": language, "tag": tag, "state": state, "user": user}
    return Filter.of(given | {"since": since, "until": until, "by": by, "show": show})


AskedFilter = Annotated[Filter, Depends(_asked)]


@router.get("/inbox")
@needs(Role.VIEWER)
async def list_gists(
    context: Context,
    identity: CurrentIdentity,
    asked: AskedFilter,
    before: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
) -> InboxBody:
    """The gists that you have not read, or those that a filter finds."""
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


def start_of(text: str) -> pages.Position | None:
    """Where a page begins, as `next` of another one gave it. Raises InvalidInput."""
    found = pages.position(text) if text else None
    if text and found is None:
        raise InvalidInput("before", f"{text[:40]!r} is no position in the inbox")
    return found


@router.post("/inbox/marks", status_code=HTTPStatus.CREATED)
@needs(Role.VIEWER)
async def mark(new: NewMark, acting: CurrentActing, identity: CurrentIdentity) -> MarkBody:
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
async def undo(visit_id: Number, acting: CurrentActing, identity: CurrentIdentity) -> MarkBody:
    """Undo what you marked last."""
    return MarkBody.of(await actions.undo(acting, identity.viewer_for(None), VisitId(visit_id)))


@router.get("/inbox/filters")
@needs(Role.VIEWER)
async def list_filters(context: Context, identity: CurrentIdentity) -> list[SavedFilterBody]:
    """The filters that you saved, by name."""
    async with context.database.read() as transaction:
        kept = await saved.of_viewer(transaction, identity.viewer_for(None))
    return [SavedFilterBody.of(one) for one in kept]


@router.post("/inbox/filters", status_code=HTTPStatus.CREATED)
@needs(Role.VIEWER)
async def save_filter(
    new: NewFilter, acting: CurrentActing, identity: CurrentIdentity
) -> SavedFilterBody:
    """Save a filter; one of this name is replaced."""
    asked = Filter.of(new.model_dump(exclude={"name"}))
    viewer = identity.viewer_for(None)
    return SavedFilterBody.of(await actions.save_filter(acting, viewer, new.name, asked))


@router.delete("/inbox/filters/{filter_id}")
@needs(Role.VIEWER)
async def delete_filter(
    filter_id: Number, acting: CurrentActing, identity: CurrentIdentity
) -> SavedFilterBody:
    """Delete a filter that you saved."""
    viewer = identity.viewer_for(None)
    return SavedFilterBody.of(await actions.delete_filter(acting, viewer, FilterId(filter_id)))
