"""The page of users: the table, and adding."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions.checks import request as request_check
from gitpip.actions.users import add_user
from gitpip.errors import GitHubError, GitHubNotFound, InvalidInput, UserConflict
from gitpip.model import Backfill, Role, UserState
from gitpip.store import listing
from gitpip.store.users import users
from gitpip.validation import without_nul, written_login
from gitpip.watch.forecast import Forecast
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.auth.viewer import viewer_of
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import Field, read_field, tags_of
from gitpip.web.pages.selection import NOTHING_DONE, ROWS, Done, Selection
from gitpip.web.render.jinja import render

router = APIRouter(route_class=RoleRoute, include_in_schema=False)


@dataclass(frozen=True)
class Listing:
    """Which part of the table is asked for, in the address."""

    q: Annotated[str, Query(max_length=100)] = ""
    tag: Annotated[str, Query(max_length=50)] = ""
    state: Annotated[UserState | Literal[""], Query()] = ""
    sort: Annotated[listing.UserSort, Query()] = listing.UserSort.LOGIN
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0

    @property
    def wanted(self) -> listing.UserWanted:
        """The users that fit."""
        return listing.UserWanted(
            login=without_nul(self.q).strip(),
            tag=without_nul(self.tag),
            state=self.state or None,
        )

    def address(self, path: str = "/people", **others: object) -> str:
        """Where this part is shown, or another one, where `others` say so."""
        values = asdict(self) | others
        return f"{path}?{urlencode({name: value for name, value in values.items() if value})}"


Asked = Annotated[Listing, Depends()]
EVERYBODY = Listing()


@router.get("/people")
@needs(Role.VIEWER)
async def people(
    request: Request, context: Context, asked: Asked, done: Annotated[Done, Depends()]
) -> HTMLResponse:
    """The tracked users."""
    return await show_users(request, context, asked, done=done)


async def show_users(
    request: Request,
    context: AppContext,
    asked: Listing = EVERYBODY,
    *,
    fault: str = "",
    new: dict[str, str] | None = None,
    forecast: Forecast | None = None,
    selection: Selection | None = None,
    done: Done = NOTHING_DONE,
) -> HTMLResponse:
    """The page; with a fault it tells the one who added somebody, or who selected some."""
    async with context.database.read() as transaction:
        listed = await listing.list_users(
            transaction,
            viewer_of(request),
            asked.wanted,
            asked.sort,
            offset=asked.offset,
            limit=ROWS,
        )
        tags = await listing.tags(transaction)
    selection = selection or Selection()
    page = await asyncio.to_thread(
        render,
        "people.html",
        page="people",
        listed=listed,
        asked=asked,
        tags=tags,
        sorts=list(listing.UserSort),
        states=list(UserState),
        rows=ROWS,
        fault=fault,
        new=new or {"login": "", "id": "", "tags": "", "backfill": str(context.settings.backfill)},
        forecast=forecast,
        selection=selection,
        done=done,
    )
    return HTMLResponse(page, status_code=422 if fault or selection.fault else 200)


@router.post("/people")
@needs(Role.OPERATOR)
async def add(
    *,
    request: Request,
    context: Context,
    acting: CurrentActing,
    login: Field = "",
    id: Field = "",  # noqa: A002 (the field's name)
    tags: Field = "",
    backfill: Field = "",
    forecast: Field = "",
) -> Response:
    """Track a user, or say first what that would publish."""
    new = {"login": login, "id": id, "tags": tags, "backfill": backfill}
    try:
        login = written_login(login)
        rule = read_field("backfill", Backfill.parse, backfill) or context.settings.backfill
        if forecast:
            foreseen = await context.forecast(login, rule)
            return await show_users(request, context, new=new, forecast=foreseen)
        added = await add_user(
            acting,
            login,
            external_id=id.strip() or None,
            backfill=rule,
            details=users.Changes(tags=tags_of(tags)),
            find_account=context.find_account,
        )
    except GitHubNotFound as error:
        return await show_users(request, context, fault=str(error), new=new)
    except GitHubError as error:
        fault = (
            "Can't preview right now: GitHub isn't responding. Try again, or add without a "
            f"preview. ({error})"
        )
        return await show_users(request, context, fault=fault, new=new)
    except (InvalidInput, UserConflict) as error:
        return await show_users(request, context, fault=str(error), new=new)
    return RedirectResponse(f"/people/{added.user.login}", status_code=303)


@router.post("/people/check")
@needs(Role.OPERATOR)
async def check_everybody(acting: CurrentActing) -> Response:
    """Look at every user now, and show how far that is."""
    check = await request_check(acting)
    return RedirectResponse(f"/checks/{check.id}", status_code=303)
