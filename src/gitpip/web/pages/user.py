"""The page of one user, and its forms."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import AfterValidator

from gitpip.actions import users as actions
from gitpip.actions.publications import decide_held
from gitpip.actions.users import UserAct
from gitpip.clock import utc_now
from gitpip.config import format_duration, parse_duration
from gitpip.errors import DestinationUnavailable, HeldChanged, InvalidInput
from gitpip.model import PublicationState, Role, User, UserState
from gitpip.publish import chosen_targets
from gitpip.publish.destination import SearchHit
from gitpip.status.reading import ServiceCondition
from gitpip.store import listing
from gitpip.store.gists import unreadable
from gitpip.store.inbox import entries, pages
from gitpip.store.inbox.filters import WEEK
from gitpip.store.publications import held, opt_outs
from gitpip.store.publications.progress import progress as progress_of
from gitpip.store.status import pauses
from gitpip.store.users import users
from gitpip.store.visits import home
from gitpip.targets import DEAL_BY_TITLE, parsed_target
from gitpip.validation import possible_login
from gitpip.web.auth.roles import needs
from gitpip.web.auth.viewer import remember, viewer_of
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.inbox_query import start_of
from gitpip.web.masked_previews import without_credentials
from gitpip.web.pages.forms import Field, answer_of, number_of_files, read_field, tags_of
from gitpip.web.pages.lists import OfPerson, ShownList
from gitpip.web.pages.publications import refused as refused_on_list
from gitpip.web.pages.removal import asked_before_removing
from gitpip.web.pages.router import page_router
from gitpip.web.reader_zone import reader_zone
from gitpip.web.render.charts import WEEKS, per_week
from gitpip.web.render.faults import FormFault, fault_words, form_fault
from gitpip.web.render.inbox import ROW_PREVIEW, rows
from gitpip.web.render.jinja import render

GISTS_PER_PAGE = 25

router = page_router()
Login = Annotated[str, Path(), AfterValidator(possible_login)]


async def _came_from(
    login: Login,
    before: Annotated[str, Query(max_length=40)] = "",
    show: OfPerson | Literal[""] = "",
) -> ShownList:
    """The list of the address, to which each form of the page leads back."""
    return ShownList(login, show=show, before=before)


CameFrom = Annotated[ShownList, Depends(_came_from)]


@dataclass(frozen=True)
class FoundTargets:
    """The results of a search for targets."""

    term: str
    hits: Sequence[SearchHit]


@dataclass(frozen=True)
class RefusedForm:
    """The fields of a refused form, and why it was refused."""

    fault: FormFault
    tags: str | None = None
    interval: str | None = None
    publishing_mode: str | None = None
    target: str | None = None
    term: str | None = None
    """None stands for a field that was not in the form."""


@dataclass(frozen=True)
class DoneHere:
    """The act that the reader has just done on this page."""

    seen: Annotated[int | None, Query(ge=1, le=2**53)] = None
    """The act of marking gists."""
    saved: bool = False
    """Whether settings were saved."""


@router.get("/people/{login}")
@needs(Role.VIEWER)
async def person(
    request: Request,
    context: Context,
    came_from: CameFrom,
    done: Annotated[DoneHere, Depends()],
) -> Response:
    """One user: what is known, and all gists or some of them, newest first."""
    return await _person(request, context, came_from, done)


async def _person(
    request: Request,
    context: AppContext,
    came_from: ShownList,
    done: DoneHere | None = None,
    *,
    refused: RefusedForm | None = None,
    found: FoundTargets | None = None,
) -> Response:
    """The page; where a form was refused, what was written stays in it."""
    now, viewer, start = utc_now(), viewer_of(request), start_of(came_from.before)
    done = done or DoneHere()
    async with context.database.read() as transaction:
        user = await users.find(transaction, came_from.person)
        if user.login.lower() != came_from.person.lower():
            # Temporarily: someone else can take the former login, and be tracked under it.
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"/people/{user.login}{query}", status_code=307)
        unread = await unreadable.of_user(transaction, user.key)
        wanted = _wanted(user, came_from.show, now)
        gists = await pages.page(transaction, viewer, wanted, before=start, limit=GISTS_PER_PAGE)
        listed = await entries.entries(transaction, viewer, gists.ids, content_limit=ROW_PREVIEW)
        number = await listing.count_gists(transaction, [user.key])
        times = await listing.gist_times(transaction, user.key, now - timedelta(weeks=WEEKS))
        progress = await progress_of(transaction, user.key, now)
        waiting = await held.of_user(transaction, user.key)
        opt_out = await opt_outs.of_user(transaction, user.key)
        stops = await context.stops(transaction)
        marked = await home.marked(transaction, done.seen, viewer)
        links = await context.links(transaction)
    page = await asyncio.to_thread(
        render,
        "person.html",
        page="people",
        user=user,
        unread=unread,
        waits_for_check=is_due(user, now) and stops.held_up(pauses.WATCHING) is None,
        form=_form(user, refused),
        general=format_duration(context.settings.check_interval),
        gists=number,
        progress=progress,
        held=waiting,
        mode=stops.mode,
        opt_out=opt_out,
        held_up=_held_up(user, stops) if progress.waiting else None,
        came_from=replace(came_from, person=user.login),
        marked=marked,
        weeks=per_week(times, now.astimezone(reader_zone(request))),
        rows=rows(await without_credentials(context.database, listed), ""),
        more=gists.next,
        links=links,
        fault=refused.fault if refused else None,
        saved=done.saved,
        found=found,
    )
    response = HTMLResponse(page, status_code=422 if refused else 200)
    remember(request, response, viewer)
    return response


def _wanted(user: User, show: str, now: datetime) -> pages.GistsWanted:
    """Return the gists of a user that the page shows."""
    return pages.GistsWanted(
        listing.FileWanted(
            user_keys=[user.key],
            state=PublicationState.FAILED if show == OfPerson.FAILED else None,
        ),
        unread=show == OfPerson.UNREAD,
        edited=show == OfPerson.EDITED,
        created_since=now - WEEK if show == OfPerson.WEEK else None,
    )


def _form(user: User, refused: RefusedForm | None) -> dict[str, str]:
    """Return the contents of the forms: the refused fields, or the user's own."""
    has = {
        "tags": " ".join(user.tags),
        "interval": format_duration(user.check_interval) if user.check_interval else "",
        "publishing_mode": user.publishing_mode or users.GENERAL,
        "target": str(user.target or DEAL_BY_TITLE),
        "term": "",
    }
    written = vars(refused) if refused else {}
    return {
        name: own if (text := written.get(name)) is None else str(text) for name, own in has.items()
    }


def _held_up(user: User, stops: ServiceCondition) -> str | None:
    """Return why nothing of a user is sent, if so."""
    if user.state is UserState.PAUSED:
        return f"{user.login} is paused. Nothing is sent until someone resumes {user.login}."
    stop = stops.held_up(pauses.PUBLISHING)
    return stop.described if stop else None


def is_due(user: User, now: datetime) -> bool:
    """Return whether a user is due to be checked."""
    return user.next_check_at <= now and user.state is not UserState.PAUSED


@router.post("/people/{login}/change")
@needs(Role.OPERATOR)
async def change_user(
    *,
    came_from: CameFrom,
    request: Request,
    context: Context,
    acting: CurrentActing,
    tags: Field = "",
    interval: Field = "",
    publishing_mode: Field = "",
) -> Response:
    """Give a user other tags, or an interval or a publishing mode of their own."""
    try:
        own = read_field("interval", parse_duration, interval)
        changes = users.Changes(
            tags=tags_of(tags),
            interval=own or users.GENERAL,
            mode=read_field("publishing_mode", users.parsed_mode, publishing_mode),
        )
        user = await actions.change(acting, came_from.person, changes)
    except InvalidInput as error:
        refused = RefusedForm(form_fault(error), tags, interval, publishing_mode)
        return await _person(request, context, came_from, refused=refused)
    return _back(came_from, user, saved=True)


@router.post("/people/{login}/target")
@needs(Role.OPERATOR)
async def change_target(
    *,
    came_from: CameFrom,
    request: Request,
    context: Context,
    acting: CurrentActing,
    target: Field = "",
) -> Response:
    """Put a user's new activities to another target."""
    try:
        changes = users.Changes(target=read_field("target", parsed_target, target))
        changes = await chosen_targets.checked(changes, context.check_target)
        user = await actions.change(acting, came_from.person, changes)
    except InvalidInput as error:
        refused = RefusedForm(form_fault(error), target=target)
        return await _person(request, context, came_from, refused=refused)
    return _back(came_from, user, saved=True)


@router.post("/people/{login}/targets")
@needs(Role.OPERATOR)
async def search_targets(
    *, came_from: CameFrom, request: Request, context: Context, term: Field = ""
) -> Response:
    """The page with the targets in Pipedrive whose names contain the term."""
    try:
        hits = await chosen_targets.search(term, context.search_targets)
    except (InvalidInput, DestinationUnavailable) as error:
        refused = RefusedForm(form_fault(error), term=term)
        return await _person(request, context, came_from, refused=refused)
    return await _person(request, context, came_from, found=FoundTargets(term, hits))


@router.post("/people/{login}/held")
@needs(Role.OPERATOR)
async def decide_held_files(
    *,
    came_from: CameFrom,
    request: Request,
    context: Context,
    acting: CurrentActing,
    approve: Field = "",
    latest: Field = "",
    shown: Field = "",
    back: Field = "",
) -> Response:
    """Publish what is held of a user: all, the latest gists, or none; the rest is skipped."""
    try:
        approved = answer_of(approve, latest)
        number = read_field("shown", number_of_files, shown)
        answered = await decide_held(acting, came_from.person, approved, shown=number)
    except (InvalidInput, HeldChanged) as error:
        if back == "publications":
            return await refused_on_list(request, context, error)
        refused = RefusedForm(FormFault(fault_words(error)))
        return await _person(request, context, came_from, refused=refused)
    done = urlencode({"approved": answered.published, "skipped": answered.skipped})
    own = replace(came_from, person=answered.login)
    where = f"/publications?{done}" if back == "publications" else own.address()
    return RedirectResponse(where, status_code=303)


@router.get("/people/{login}/remove")
@needs(Role.OPERATOR)
async def ask_before_removing(came_from: CameFrom, context: Context) -> HTMLResponse:
    """Say what removing a user does, before it is done."""
    async with context.database.read() as transaction:
        user = await users.find(transaction, came_from.person)
        page = await asked_before_removing(
            transaction,
            [user],
            action=f"/people/{user.login}/remove",
            keep=replace(came_from, person=user.login).address(),
        )
    return HTMLResponse(page)


@router.post("/people/{login}/{act}")
@needs(Role.OPERATOR)
async def act_on_user(came_from: CameFrom, act: UserAct, acting: CurrentActing) -> Response:
    """Pause, resume, check now, hold new files or send them again, or stop tracking."""
    login = came_from.person
    match act:
        case UserAct.CHECK:
            user = await actions.check(acting, login)
        case UserAct.PAUSE | UserAct.RESUME:
            paused = act is UserAct.PAUSE
            user = await actions.change(acting, login, users.Changes(paused=paused))
        case UserAct.HOLD | UserAct.UNHOLD:
            user = await actions.change(acting, login, users.Changes(mode=actions.MODES[act]))
        case UserAct.REMOVE:
            await actions.remove(acting, login)
            return RedirectResponse("/people", status_code=303)
    return _back(came_from, user, saved=act in {UserAct.HOLD, UserAct.UNHOLD})


def _back(came_from: ShownList, user: User, *, saved: bool) -> Response:
    where = replace(came_from, person=user.login).address(saved=saved)
    return RedirectResponse(where, status_code=303)
