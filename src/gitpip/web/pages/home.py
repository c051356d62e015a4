"""The home page: what is new to the viewer, search, and earlier visits."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from limits import parse

from gitpip.clock import utc_now
from gitpip.errors import InvalidInput, VisitNotFound
from gitpip.model import FileKey, GistFile, HomeVisit, PublicationState, Role, UserKey, VisitId
from gitpip.store import listing
from gitpip.store.database import Transaction
from gitpip.store.users import users
from gitpip.store.visits import unseen
from gitpip.store.visits.visits import BROWSER
from gitpip.validation import any_of, without_nul
from gitpip.web.api.status import condition_of
from gitpip.web.auth.authentication import address_of
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.auth.throttle import address_counted
from gitpip.web.auth.viewer import remember, sends_name, viewer_of
from gitpip.web.context import AppContext, Context
from gitpip.web.errors import answer
from gitpip.web.render.highlight import PREVIEW, shown
from gitpip.web.render.jinja import render

NEW_BROWSERS = parse("20/hour")
"""How many browsers without a key one address may add, with each process. Only as many as
`old_visits.BROWSERS_KEPT` are kept: one address needs a day to replace the others'."""
USERS = 20
FILES = 4
FOUND = 30
FIRST_DAY, LAST_DAY = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Beyond these there is no file, and not always a day before or after."""

router = APIRouter(route_class=RoleRoute, include_in_schema=False)


@router.get("/")
@needs(Role.VIEWER)
async def home(
    *,
    request: Request,
    context: Context,
    q: Annotated[str, Query(max_length=200)] = "",
    language: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[str, Query(max_length=50)] = "",
    state: str = "",
    since: str = "",
    until: str = "",
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    seen: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> HTMLResponse:
    """What is new since the viewer's last visit, or the files that fit what is asked for."""
    viewer = viewer_of(request)
    asked = {
        "q": q,
        "language": language,
        "tag": tag,
        "state": state,
        "since": since,
        "until": until,
    }
    wanted = _wanted(asked)
    async with context.database.read() as transaction:
        new: tuple[unseen.UserNews, ...] = ()
        found: tuple[GistFile, ...] = ()
        amount = await unseen.count(transaction, viewer)
        if wanted.narrows:
            key = None if before is None else FileKey(before)
            found = await listing.list_files(transaction, wanted, before=key, limit=FOUND)
        else:
            new = await unseen.for_viewer(transaction, viewer, users=USERS, files=FILES)
        content: dict[str, object] = {
            "condition": await condition_of(transaction, context),
            "nobody": not await users.any_tracked(transaction),
            "languages": await listing.languages(transaction),
            "tags": await listing.tags(transaction),
            "visits": await unseen.visits_of(transaction, viewer, limit=10),
            "marked": await _marked(transaction, seen, viewer),
        }
    page = await asyncio.to_thread(
        render,
        "home.html",
        page="home",
        news=new,
        amount=amount,
        found=found[:FOUND],
        older=found[FOUND - 1].key if len(found) > FOUND else None,
        later=before is not None,
        wanted=wanted,
        asked=asked,
        states=list(PublicationState),
        preview=lambda file: shown(file, PREVIEW),
        links=await context.links(),
        **content,
    )
    response = HTMLResponse(page)
    remember(request, response, viewer)
    return response


def _wanted(asked: Mapping[str, str]) -> listing.FileWanted:
    """What the fields of the form ask for. Raises InvalidInput, which names the field."""
    last_day = _day("until", asked["until"])
    return listing.FileWanted(
        text=without_nul(asked["q"]).strip(),
        language=without_nul(asked["language"]),
        tag=without_nul(asked["tag"]),
        state=_state(asked["state"]),
        since=_day("since", asked["since"]),
        before=None if last_day is None else last_day + timedelta(days=1),
    )


@router.post("/seen")
@needs(Role.VIEWER)
async def mark_seen(request: Request, context: Context) -> Response:
    """Record a visit: of each user up to what the page showed, or of everything.

    A browser without a key is recorded only if it keeps its cookie, and so many of them for each
    address: one who sends a new cookie each time could fill the database, and evict the visits
    of all other browsers.
    """
    viewer = viewer_of(request)
    form = await request.form()
    is_stranger = viewer.startswith(BROWSER) and not request.app.state.authentication.is_open
    if is_stranger and (response := await _unrecorded(request, context, viewer)):
        return response
    most = unseen.COUNTED if is_stranger else None
    async with context.database.begin() as transaction:
        if form.get("everything"):
            visit = await unseen.mark_everything(transaction, viewer, utc_now(), most=most)
        else:
            shown_up_to = dict(_position(str(text)) for text in form.getlist("up_to"))
            visit = await unseen.mark_seen(transaction, viewer, shown_up_to, utc_now())
    async with context.database.begin() as transaction:
        await unseen.settle(transaction, visit.id, viewer)
    response = RedirectResponse(f"/?seen={visit.id}", status_code=303)
    remember(request, response, viewer)
    return response


async def _unrecorded(request: Request, context: AppContext, viewer: str) -> Response | None:
    """The answer to a browser without a key whose visit is not recorded; None where it is."""
    if not sends_name(request):
        response = RedirectResponse("/", status_code=303)
        remember(request, response, viewer)
        return response
    async with context.database.read() as transaction:
        if await unseen.knows(transaction, viewer):
            return None
    address = address_counted(address_of(request))
    pause = request.app.state.new_browsers.hit(address)
    if pause is None:
        return None
    return answer(
        request,
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-browsers",
        f"more than {NEW_BROWSERS} browsers without an access key from {address}: nothing was "
        f"marked as seen; sign in with an access key, or try again in {pause} seconds",
        headers={"retry-after": str(pause)},
    )


@router.get("/seen/{visit_id}")
@needs(Role.VIEWER)
async def earlier_visit(
    visit_id: Annotated[int, Path(ge=1, le=2**53)],
    request: Request,
    context: Context,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> HTMLResponse:
    """Show again what a visit of this viewer covered."""
    async with context.database.read() as transaction:
        visit = await unseen.get(transaction, VisitId(visit_id), viewer_of(request))
        covered = await unseen.shown_by(transaction, visit, users=USERS, files=FOUND, offset=offset)
    page = await asyncio.to_thread(
        render,
        "visit.html",
        page="home",
        visit=visit,
        news=covered,
        next_offset=offset + USERS if offset + USERS < visit.users else None,
        preview=lambda file: shown(file, PREVIEW),
        links=await context.links(),
    )
    return HTMLResponse(page)


async def _marked(transaction: Transaction, visit_id: int | None, viewer: str) -> HomeVisit | None:
    """What a viewer has just marked; the address may have come from another viewer."""
    if visit_id is None:
        return None
    with contextlib.suppress(VisitNotFound):
        return await unseen.get(transaction, VisitId(visit_id), viewer)
    return None


def _position(text: str) -> tuple[UserKey, int]:
    key, _, up_to = text.partition(":")
    if not all(part.isascii() and part.isdigit() and len(part) < 17 for part in (key, up_to)):  # noqa: PLR2004
        raise InvalidInput(
            "up_to", f"must be a user's row and a number, e.g. 12:34, not {text[:40]!r}"
        )
    return UserKey(int(key)), int(up_to)


def _state(text: str) -> PublicationState | None:
    if not text:
        return None
    try:
        return PublicationState(text)
    except ValueError:
        raise InvalidInput(
            "state", f"must be {any_of(PublicationState)}, not {text[:40]!r}"
        ) from None


def _day(field: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput(field, f"must be a date, e.g. 2026-01-31, not {text[:40]!r}") from None
    return min(max(day, FIRST_DAY), LAST_DAY)
