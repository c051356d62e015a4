"""The page of users: the table, and a check of all users."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions.adding import AddedPeople, PeoplePreview
from gitpip.actions.checks import request as request_check
from gitpip.model import Role, UserState
from gitpip.store import listing, user_listing
from gitpip.validation import without_nul
from gitpip.web.auth.roles import needs
from gitpip.web.auth.viewer import viewer_of
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import NewPeople
from gitpip.web.pages.router import page_router
from gitpip.web.pages.selection import (
    MAX_SELECTED,
    NOTHING_DONE,
    USERS_PER_PAGE,
    Done,
    SelectedUsers,
)
from gitpip.web.pages.untracked import not_tracked
from gitpip.web.render.faults import FormFault
from gitpip.web.render.jinja import render

router = page_router()


@dataclass(frozen=True)
class Listing:
    """The part of the table that the address asks for."""

    q: Annotated[str, Query(max_length=100)] = ""
    tag: Annotated[str, Query(max_length=50)] = ""
    state: Annotated[UserState | Literal[""], Query()] = ""
    sort: Annotated[user_listing.UserSort, Query()] = user_listing.UserSort.LOGIN
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0
    select: Annotated[Literal["", "all"], Query()] = ""
    """Whether all matching users are selected, on every page of the table."""

    @property
    def wanted(self) -> user_listing.UserWanted:
        """The users that fit."""
        return user_listing.UserWanted(
            login=without_nul(self.q).strip(),
            tag=without_nul(self.tag),
            state=self.state or None,
        )

    def address(self, path: str = "/people", **others: object) -> str:
        """Return the address of this part, or of another one, where `others` say so."""
        values = asdict(self) | others
        return f"{path}?{urlencode({name: value for name, value in values.items() if value})}"


Asked = Annotated[Listing, Depends()]
EVERYBODY = Listing()


@dataclass(frozen=True)
class Adding:
    """The form that adds people, and what came of it."""

    new: NewPeople
    faults: Sequence[str] = ()
    wrong: str = "login"
    """The field that is wrong, if there are faults."""
    preview: PeoplePreview | None = None
    added: AddedPeople | None = None
    """Those who were added despite the faults."""
    is_long: bool = False
    """Whether the list that was written is too long for this page."""


@router.get("/people")
@needs(Role.VIEWER)
async def people(
    request: Request,
    context: Context,
    asked: Asked,
    done: Annotated[Done, Depends()],
    add: Annotated[str, Query(max_length=100)] = "",
) -> HTMLResponse:
    """The tracked users; `add` is written into the form that adds people."""
    new = NewPeople.by_default(context.settings.backfill, login=without_nul(add))
    return await show_users(request, context, asked, done=done, adding=Adding(new))


async def show_users(
    request: Request,
    context: AppContext,
    asked: Listing = EVERYBODY,
    *,
    adding: Adding | None = None,
    selection: SelectedUsers | None = None,
    done: Done = NOTHING_DONE,
) -> HTMLResponse:
    """The page; with faults it tells the one who added or selected people."""
    async with context.database.read() as transaction:
        listed = await user_listing.list_users(
            transaction,
            viewer_of(request),
            asked.wanted,
            asked.sort,
            offset=asked.offset,
            limit=USERS_PER_PAGE,
        )
        tags = await listing.tags(transaction)
        stranger = None if listed.total else await not_tracked(transaction, asked.q)
    selection = selection or SelectedUsers()
    adding = adding or Adding(NewPeople.by_default(context.settings.backfill))
    page = await asyncio.to_thread(
        render,
        "people.html",
        page="people",
        listed=listed,
        asked=asked,
        tags=tags,
        sorts=list(user_listing.UserSort),
        states=list(UserState),
        rows=USERS_PER_PAGE,
        most=MAX_SELECTED,
        stranger=stranger,
        faults=adding.faults,
        wrong=FormFault("", adding.wrong, takes_focus=False) if adding.faults else None,
        new=adding.new,
        preview=adding.preview,
        added=adding.added,
        is_long=adding.is_long,
        selection=selection,
        done=done,
    )
    return HTMLResponse(page, status_code=422 if adding.faults or selection.fault else 200)


@router.post("/people/check")
@needs(Role.OPERATOR)
async def check_everybody(acting: CurrentActing) -> Response:
    """Look at every user now, and show how far that is."""
    check = await request_check(acting)
    return RedirectResponse(f"/checks/{check.id}", status_code=303)
