"""The inbox: one row for each gist, filters, search, and marking as read."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from limits import parse
from pydantic import Field, StringConstraints
from starlette.background import BackgroundTask
from starlette.datastructures import FormData

from gitpip.actions import inbox as actions
from gitpip.errors import InvalidInput, UserNotTracked
from gitpip.model import FileKey, GistId, PublicationState, Role, VisitId
from gitpip.store import commit_order, listing, read_state
from gitpip.store.database import Transaction
from gitpip.store.inbox import entries, filters, pages, saved
from gitpip.store.inbox.entries import InboxEntry
from gitpip.store.inbox.filters import By, InboxFilter, Show
from gitpip.store.inbox.saved import FilterId
from gitpip.store.users import users
from gitpip.store.visits import home
from gitpip.store.visits.visits import BROWSER
from gitpip.web.auth.authentication import address_of
from gitpip.web.auth.roles import needs
from gitpip.web.auth.throttle import address_counted
from gitpip.web.auth.viewer import remember, sends_name, viewer_of
from gitpip.web.context import AppContext, Context, ReaderActing
from gitpip.web.errors import answer
from gitpip.web.inbox_query import AskedFilter, start_of
from gitpip.web.masked_previews import news_without_credentials, without_credentials
from gitpip.web.navigation import count_for_navigation
from gitpip.web.pages.lists import ShownList
from gitpip.web.pages.router import page_router
from gitpip.web.pages.untracked import not_tracked
from gitpip.web.reader_zone import reader_now
from gitpip.web.render.faults import FormFault, form_fault
from gitpip.web.render.highlight import PREVIEW_BOUNDS, shown
from gitpip.web.render.inbox import ROW_PREVIEW, by_day, rows
from gitpip.web.render.jinja import render
from gitpip.web.render.numbers import numbers

NEW_BROWSERS = parse("20/hour")
"""The most browsers without a key that one address may add, with each process. Only as many as
`old_visits.BROWSERS_KEPT` are kept: one address needs a day to replace the others'."""
GISTS_PER_PAGE = 25
ARRIVALS = 99
"""The most new gists that are counted for the line that announces them."""
MOST_USERS_VISITED = 1_000
"""The most users that a browser without a key makes a visit to at once."""
SEARCHED = 64_000
"""The most characters of a file that are searched; see the migration of the index."""
ID_LENGTH = 64
MARKS_AT_ONCE = 50
"""The most rows that are asked for at once. gist-list.js knows it, too."""
UNCHANGED = "gitpip-unchanged"
"""The header of an answer to a mark of one row that changed nothing. gist-list.js knows it, too."""
USERS = 20
VISIT_FILES = 30

Key = Annotated[int, Field(ge=0, le=2**53)]
"""A key of the inbox in an address."""
GistInQuery = Annotated[str, StringConstraints(pattern=rf"^[0-9A-Za-z]{{1,{ID_LENGTH}}}$")]

router = page_router()


@dataclass(frozen=True)
class _Written:
    """The name under which a filter is to be saved, and why it was not."""

    name: str = ""
    fault: FormFault | None = None


@router.get("/")
@needs(Role.VIEWER)
async def inbox(
    *,
    request: Request,
    context: Context,
    asked: AskedFilter,
    before: Annotated[str, Query(max_length=40)] = "",
    seen: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    name: Annotated[str, Query(max_length=saved.FILTER_NAME_LIMIT)] = "",
) -> HTMLResponse:
    """The gists that the reader has not read, or those that fit what is asked for.

    Without scripts, a browser applies a filter when somebody presses Enter in the field for its
    `name`, which is kept in the form.
    """
    shown = ShownList(asked=asked, before=before)
    return await _inbox(request, context, shown, seen=seen, written=_Written(name))


async def _inbox(
    request: Request,
    context: AppContext,
    came_from: ShownList,
    *,
    seen: int | None = None,
    written: _Written,
) -> HTMLResponse:
    viewer, asked = viewer_of(request), came_from.asked
    start = start_of(came_from.before)
    now = reader_now(request)
    newest = await commit_order.settled(context.database)
    async with context.database.read() as transaction:
        wanted = await _wanted(transaction, asked, now)
        found = pages.GistPage([], None)
        if wanted is not None:
            found = await pages.page(
                transaction, viewer, wanted, before=start, limit=GISTS_PER_PAGE
            )
        searched = dict(zip(found.ids, found.files, strict=False)) if asked.q else None
        listed = await entries.entries(
            transaction,
            viewer,
            found.ids,
            searched=searched,
            content_limit=SEARCHED if asked.q else ROW_PREVIEW,
        )
        besides = await _besides_rows(transaction, viewer, seen)
        links = await context.links(transaction)
        stranger = None
        if not listed:
            stranger = await not_tracked(transaction, asked.q if wanted else asked.user)
    page = await asyncio.to_thread(
        _page,
        asked=asked,
        now=now,
        by_creation=wanted is not None and wanted.by_creation,
        unknown=wanted is None,
        written=written,
        more=found.next,
        listed=await without_credentials(context.database, listed),
        came_from=came_from,
        condition=await context.condition_shown(),
        languages=await context.recent_languages.read(),
        links=links,
        newest=newest,
        stranger=stranger,
        **besides,
    )
    response = HTMLResponse(
        page,
        status_code=422 if written.fault else 200,
        background=BackgroundTask(context.renew_condition),
    )
    remember(request, response, viewer)
    return response


async def _besides_rows(
    transaction: Transaction, viewer: str, seen: int | None
) -> Mapping[str, object]:
    """Return what the inbox shows besides its rows."""
    return {
        "nobody": not await users.any_tracked(transaction),
        "tags": await listing.tags(transaction),
        "unread": numbers.get().counted or await read_state.unread(transaction, viewer),
        "read_at": await read_state.read_at(transaction, viewer),
        "saved": await saved.of_viewer(transaction, viewer),
        "visits": await home.visits_of(transaction, viewer, limit=10),
        "marked": await home.marked(transaction, seen, viewer),
    }


async def _wanted(
    transaction: Transaction, asked: InboxFilter, now: datetime
) -> pages.GistsWanted | None:
    """Return the gists that are asked for; None for those of a person who is not tracked."""
    try:
        return await filters.wanted(transaction, asked, now)
    except UserNotTracked:
        return None


def _page(
    *,
    asked: InboxFilter,
    now: datetime,
    by_creation: bool,
    listed: Sequence[InboxEntry],
    newest: int,
    **content: object,
) -> str:
    return render(
        "inbox.html",
        page="home",
        asked=asked,
        # Gists that arrived after `newest` was read are also on the page.
        shown=[entry.key for entry in listed if entry.key > newest],
        newest=newest,
        found=len(listed),
        some_unread=any(entry.unread for entry in listed),
        days=list(by_day(rows(listed, asked.q), now, by_creation=by_creation)),
        zone=str(now.tzinfo),
        states=list(PublicationState),
        shows=list(Show),
        by=list(By),
        **content,
    )


@router.get("/inbox/new")
@needs(Role.VIEWER)
async def arrivals(
    request: Request,
    context: Context,
    asked: AskedFilter,
    after: Key = 0,
    shown: Annotated[Sequence[Key], Query(max_length=GISTS_PER_PAGE)] = (),
) -> HTMLResponse:
    """Return how many gists came after the newest one that a page shows, for that page.

    How much is unread now comes with it.

    `shown` are the keys of newer gists that the page shows as well.
    """
    viewer = viewer_of(request)
    async with context.database.read() as transaction:
        wanted = await filters.wanted(transaction, asked, reader_now(request))
        number = await pages.count_after(
            transaction, viewer, wanted, after, shown=shown, at_most=ARRIVALS
        )
        read_at = await read_state.read_at(transaction, viewer)
    page = render(
        "arrivals.html",
        asked=asked,
        after=after,
        shown=shown,
        number=number,
        most=ARRIVALS,
        counted=numbers.get().counted,
        read_at=read_at,
    )
    return HTMLResponse(page)


@router.get("/inbox/rows")
@needs(Role.VIEWER)
async def rows_again(
    request: Request,
    context: Context,
    gist: Annotated[Sequence[GistInQuery], Query(max_length=MARKS_AT_ONCE)] = (),
) -> Response:
    """Return rows of a list as they are now, for a browser that shows a list it has kept."""
    chosen = [GistId(each) for each in gist]
    return await _rows(request, context, chosen, came_from=ShownList.of(request.query_params))


@router.post("/seen")
@needs(Role.VIEWER)
async def mark(request: Request, context: Context, acting: ReaderActing) -> Response:
    """Mark one gist as read or unread, the gists of a page, or everything.

    A browser without a key is recorded only if it keeps its cookie, and only `NEW_BROWSERS` of each
    address are. A client that sends a new cookie each time could fill the database, and evict the
    visits of all other browsers.
    """
    viewer = viewer_of(request)
    form = await request.form()
    is_stranger = viewer.startswith(BROWSER) and not request.app.state.authentication.is_open
    if is_stranger and (response := await _unrecorded(request, context, viewer)):
        return response
    chosen = _chosen(form)
    came_from = ShownList.of(form)
    if form.get("everything"):
        newest = form.get("newest")
        visit = await actions.mark_all(
            acting,
            viewer,
            up_to=None if newest is None else _number("newest", str(newest)),
            most=MOST_USERS_VISITED if is_stranger else None,
        )
        came_from = replace(came_from, before="")
    else:
        visit = await actions.mark(acting, viewer, chosen, read=not form.get("unread"))
    if request.headers.get("hx-request") and len(chosen) == 1:
        rows_now = await _rows(request, context, chosen, came_from=came_from)
        if not visit.gists:
            rows_now.headers[UNCHANGED] = "true"
        return rows_now
    row = f"#gist-{next(iter(chosen))}" if len(chosen) == 1 and not form.get("page") else ""
    response = RedirectResponse(came_from.address(visit.id) + row, status_code=303)
    remember(request, response, viewer)
    return response


@router.post("/seen/{visit_id}/undo")
@needs(Role.VIEWER)
async def undo(
    visit_id: Annotated[int, Path(ge=1, le=2**53)], request: Request, acting: ReaderActing
) -> Response:
    """Undo what the reader marked last."""
    came_from = ShownList.of(await request.form())
    await actions.undo(acting, viewer_of(request), VisitId(visit_id))
    return RedirectResponse(came_from.address(), status_code=303)


@router.post("/inbox/filters")
@needs(Role.VIEWER)
async def save_filter(request: Request, context: Context, acting: ReaderActing) -> Response:
    """Save what the form asks for under a name, and show it."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    viewer, name, asked = viewer_of(request), form.get("name", ""), InboxFilter.of(form)
    try:
        kept = await actions.save_filter(acting, viewer, name, asked)
    except (InvalidInput, UserNotTracked) as error:
        written = _Written(name, form_fault(error, field="user"))
        return await _inbox(request, context, ShownList(asked=asked), written=written)
    response = RedirectResponse(f"/?{kept.query}", status_code=303)
    remember(request, response, viewer)
    return response


@router.post("/inbox/filters/{filter_id}/delete")
@needs(Role.VIEWER)
async def delete_filter(
    filter_id: Annotated[int, Path(ge=1, le=2**53)], request: Request, acting: ReaderActing
) -> Response:
    """Delete a saved filter."""
    await actions.delete_filter(acting, viewer_of(request), FilterId(filter_id))
    return RedirectResponse("/", status_code=303)


async def _rows(
    request: Request, context: AppContext, chosen: Collection[GistId], *, came_from: ShownList
) -> Response:
    """The rows of gists that were marked, with how much is unread now, for the page with both."""
    viewer = viewer_of(request)
    asked, searched = came_from.asked, dict[GistId, FileKey]()
    async with context.database.read() as transaction:
        wanted = await _wanted(transaction, asked, reader_now(request)) if asked.q else None
        for gist_id in chosen:
            if wanted and (file := await pages.fitting_file(transaction, wanted, gist_id)):
                searched[gist_id] = file
        listed = await entries.entries(
            transaction,
            viewer,
            list(chosen),
            searched=searched,
            content_limit=SEARCHED if asked.q else ROW_PREVIEW,
        )
        read_at = await read_state.read_at(transaction, viewer)
        links = await context.links(transaction)
    await count_for_navigation(request, context)  # what was counted before the act is over
    shown_now = await without_credentials(context.database, listed)
    page = await asyncio.to_thread(
        _rows_page,
        shown_now,
        asked.q,
        links=links,
        came_from=came_from,
        counted=numbers.get().counted,
        read_at=read_at,
    )
    response = HTMLResponse(page)
    remember(request, response, viewer)
    return response


def _rows_page(listed: Sequence[InboxEntry], searched: str, **content: object) -> str:
    return render("inbox_row.html", rows=rows(listed, searched), **content)


def _chosen(form: FormData) -> dict[GistId, int | None]:
    """The gists to be marked: one or the other by its button, or all of the page by its own."""
    name = next((name for name in ("gist", "unread", "page") if form.get(name)), "gist")
    texts = form.getlist("shown" if name == "page" else name)
    if not texts and not form.get("everything"):
        raise InvalidInput("gist", "name at least one gist to mark, or everything")
    chosen: dict[GistId, int | None] = {}
    for text in map(str, texts):
        gist_id, _, key = text.partition(":")
        if not gist_id.isalnum() or not gist_id.isascii() or len(gist_id) > ID_LENGTH:
            raise InvalidInput(
                name, f"must be a gist and its key, e.g. aa5a315d61ae:34, not {text[:40]!r}"
            )
        chosen[GistId(gist_id)] = _number(name, key) if key else None
    return chosen


def _number(field: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= pages.POSITION_DIGITS):
        raise InvalidInput(field, f"{text[:40]!r} is not a number")
    return int(text)


async def _unrecorded(request: Request, context: AppContext, viewer: str) -> Response | None:
    """The answer to a browser without a key whose visit is not recorded; None where it is."""
    if not sends_name(request):
        response = RedirectResponse("/", status_code=303)
        remember(request, response, viewer)
        return response
    async with context.database.read() as transaction:
        if await home.knows(transaction, viewer):
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
        f"marked as read; sign in with an access key, or try again in {pause} seconds",
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
    """Show again what this viewer marked as read."""
    async with context.database.read() as transaction:
        visit = await home.get(transaction, VisitId(visit_id), viewer_of(request))
        covered = await home.shown_by(
            transaction, visit, users=USERS, files=VISIT_FILES, offset=offset
        )
        links = await context.links(transaction)
    page = await asyncio.to_thread(
        render,
        "visit.html",
        page="home",
        visit=visit,
        news=await news_without_credentials(context.database, covered),
        next_offset=offset + USERS if offset + USERS < visit.users else None,
        preview=lambda file: shown(file, PREVIEW_BOUNDS),
        links=links,
    )
    return HTMLResponse(page)
