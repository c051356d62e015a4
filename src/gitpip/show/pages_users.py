"""The pages of users: the table, adding, and one user."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import AfterValidator

from gitpip.errors import GitHubError, GitHubNotFound, InvalidInput, UserConflict, UserNotTracked
from gitpip.model import (
    Backfill,
    FileKey,
    Forecast,
    PublicationState,
    UserState,
    check_login,
    checked_tags,
)
from gitpip.settings import format_duration, parse_duration
from gitpip.show.caller import Who
from gitpip.show.charts import WEEKS, per_week
from gitpip.show.highlight import PREVIEW, shown
from gitpip.show.operations import publishing_held_up
from gitpip.show.rendering import render
from gitpip.show.setting import In, Setting
from gitpip.show.times import utc_now
from gitpip.show.viewer import viewer_of
from gitpip.store import browse, checks, publications, users

ROWS = 50
DONE = {
    "pause": "user.paused",
    "resume": "user.resumed",
    "check": "user.check_requested",
    "remove": "user.removed",
}
"""What the audit says of what is done to a user."""

router = APIRouter(include_in_schema=False)
Value = TypeVar("Value")


def _possible(login: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_-]{1,100}", login):
        raise UserNotTracked(f"{login[:60]!r} can't be a login, so nobody of that name is tracked")
    return login


Login = Annotated[str, Path(), AfterValidator(_possible)]
Offset = Annotated[int, Query(ge=0, le=10**9)]
Field = Annotated[str, Form(max_length=2_000)]


@router.get("/people")
async def people(
    *,
    request: Request,
    setting: In,
    q: Annotated[str, Query(max_length=100)] = "",
    tag: Annotated[str, Query(max_length=50)] = "",
    state: UserState | Literal[""] = "",
    sort: browse.UserSort = browse.UserSort.LOGIN,
    offset: Offset = 0,
) -> HTMLResponse:
    """The tracked users."""
    return await _people(request, setting, q=q, tag=tag, state=state, sort=sort, offset=offset)


async def _people(
    request: Request,
    setting: Setting,
    *,
    q: str = "",
    tag: str = "",
    state: UserState | Literal[""] = "",
    sort: browse.UserSort = browse.UserSort.LOGIN,
    offset: int = 0,
    fault: str = "",
    new: dict[str, str] | None = None,
    forecast: Forecast | None = None,
) -> HTMLResponse:
    wanted = browse.UserWanted(
        login=q.replace("\0", "").strip(), tag=tag.replace("\0", ""), state=state or None
    )
    async with setting.database.read() as transaction:
        listed = await browse.list_users(
            transaction, viewer_of(request), wanted, sort, offset=offset, limit=ROWS
        )
        tags = await browse.tags(transaction)
    page = render(
        "people.html",
        page="people",
        listed=listed,
        wanted=wanted,
        asked={"q": q, "tag": tag, "state": state, "sort": sort},
        tags=tags,
        sorts=list(browse.UserSort),
        states=list(UserState),
        offset=offset,
        rows=ROWS,
        fault=fault,
        new=new or {"login": "", "id": "", "tags": "", "backfill": str(setting.settings.backfill)},
        forecast=forecast,
    )
    return HTMLResponse(page, status_code=422 if fault else 200)


@router.post("/people")
async def add(
    *,
    request: Request,
    setting: In,
    who: Who,
    login: Field = "",
    id: Field = "",  # noqa: A002 (the field's name)
    tags: Field = "",
    backfill: Field = "",
    forecast: Field = "",
) -> Response:
    """Track a user, or say first what that would publish."""
    new = {"login": login, "id": id, "tags": tags, "backfill": backfill}
    login = login.strip()
    try:
        check_login(login)
        rule = _read("backfill", Backfill.parse, backfill) or setting.settings.backfill
        details = users.Changes(tags=_tags(tags))
        if forecast:
            foreseen = await setting.forecast(login, rule)
            return await _people(request, setting, new=new, forecast=foreseen)
        added = await setting.track(login, id.strip() or None, rule, details, who=who)
    except GitHubNotFound as error:
        return await _people(request, setting, fault=str(error), new=new)
    except GitHubError as error:
        fault = f"No forecast now, as GitHub can't be asked: {error}"
        return await _people(request, setting, fault=fault, new=new)
    except (InvalidInput, UserConflict) as error:
        return await _people(request, setting, fault=str(error), new=new)
    return RedirectResponse(f"/people/{added.user.login}", status_code=303)


@router.post("/people/check")
async def check_everybody(setting: In, who: Who) -> Response:
    """Look at every user now, and show how far that is."""
    async with setting.database.begin() as transaction:
        check_id = await checks.request(transaction, utc_now())
        await who.did(transaction, "check.requested", str(check_id))
    await setting.wake("check")
    return RedirectResponse(f"/checks/{check_id}", status_code=303)


@router.get("/people/{login}")
async def person(
    login: Login,
    request: Request,
    setting: In,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> HTMLResponse:
    """One user: what is known, and the files, newest first."""
    return await _person(request, setting, login, before=before)


async def _person(
    request: Request, setting: Setting, login: str, *, before: int | None = None, fault: str = ""
) -> HTMLResponse:
    now = utc_now()
    async with setting.database.read() as transaction:
        user = await users.find(transaction, login)
        seen = await browse.seen_of(transaction, user.key, viewer_of(request))
        wanted = browse.FileWanted(user_keys=[user.key])
        key = None if before is None else FileKey(before)
        files = await browse.list_files(transaction, wanted, before=key, limit=ROWS)
        number = await browse.count_gists(transaction, user.key)
        times = await browse.gist_times(transaction, user.key, now - timedelta(weeks=WEEKS))
        visited = await browse.last_visit(transaction, user.key, viewer_of(request))
        progress = await publications.progress(transaction, user.key, now)
        held_up = await publishing_held_up(transaction, setting) if progress.waiting else None
    page = await asyncio.to_thread(
        render,
        "person.html",
        page="people",
        user=user,
        waits_for_look=user.next_check_at <= now and user.state is not UserState.PAUSED,
        interval=format_duration(user.check_interval) if user.check_interval else "",
        general=format_duration(setting.settings.check_interval),
        seen=seen,
        visited=visited,
        gists=number,
        progress=progress,
        held_up=held_up,
        before=before,
        weeks=per_week(times, now),
        files=files[:ROWS],
        older=files[ROWS - 1].key if len(files) > ROWS else None,
        preview=lambda file: shown(file, PREVIEW),
        links=setting.links,
        fault=fault,
    )
    return HTMLResponse(page, status_code=422 if fault else 200)


@router.post("/people/{login}/change")
async def change(
    *,
    login: Login,
    request: Request,
    setting: In,
    who: Who,
    tags: Field = "",
    interval: Field = "",
) -> Response:
    """Give a user other tags, or an interval of their own."""
    try:
        own = _read("interval", parse_duration, interval)
        changes = users.Changes(tags=_tags(tags), interval=own or users.GENERAL)
    except InvalidInput as error:
        return await _person(request, setting, login, fault=str(error))
    async with setting.database.begin() as transaction:
        user = await users.find(transaction, login)
        if own == user.check_interval:
            changes = users.Changes(tags=changes.tags)
        await users.change(transaction, user.key, changes, utc_now())
        await who.did(transaction, "user.changed", user.login)
    return RedirectResponse(f"/people/{user.login}", status_code=303)


@router.get("/people/{login}/remove")
async def ask_before_removing(login: Login, setting: In) -> HTMLResponse:
    """Say what removing a user does, before it is done."""
    async with setting.database.read() as transaction:
        user = await users.find(transaction, login)
        number = await browse.count_gists(transaction, user.key)
        counts = await publications.count(transaction, user.key)
    waiting = sum(counts.get(PublicationState(state), 0) for state in publications.WAITING)
    page = render(
        "remove.html", page="people", user=user, gists=number, counts=counts, waiting=waiting
    )
    return HTMLResponse(page)


@router.post("/people/{login}/{act}")
async def act_on_user(
    login: Login, act: Literal["pause", "resume", "check", "remove"], setting: In, who: Who
) -> Response:
    """Pause, resume, check now, or stop tracking."""
    now = utc_now()
    async with setting.database.begin() as transaction:
        user = await users.find(transaction, login)
        match act:
            case "remove":
                await users.remove(transaction, user.key, now)
            case "check":
                await users.make_due(transaction, user.key, now)
            case _:
                await users.change(transaction, user.key, users.Changes(paused=act == "pause"), now)
        await who.did(transaction, DONE[act], user.login)
    if act in {"check", "resume"}:
        await setting.wake("check")
    where = "/people" if act == "remove" else f"/people/{user.login}"
    return RedirectResponse(where, status_code=303)


def _tags(text: str) -> tuple[str, ...]:
    return checked_tags(text.replace(",", " ").replace(";", " ").split())


def _read(field: str, parse: Callable[[str], Value], text: str) -> Value | None:
    try:
        return parse(text) if text.strip() else None
    except ValueError as error:
        raise InvalidInput(field, str(error)) from None
