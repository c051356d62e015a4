"""The pages of users: the table, and one user."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.errors import GitHubNotFound, InvalidInput, UserConflict
from gitpip.model import Backfill, FileKey, UserState
from gitpip.show.charts import WEEKS, per_week
from gitpip.show.highlight import PREVIEW, shown
from gitpip.show.rendering import render
from gitpip.show.setting import In, Setting
from gitpip.show.times import utc_now
from gitpip.show.viewer import viewer_of
from gitpip.store import browse, users

ROWS = 50

router = APIRouter(include_in_schema=False)
Login = Annotated[str, Path(max_length=100, pattern="^[A-Za-z0-9_-]+$")]
Offset = Annotated[int, Query(ge=0, le=10**9)]


@router.get("/people")
async def people(
    *,
    request: Request,
    setting: In,
    q: Annotated[str, Query(max_length=100)] = "",
    state: UserState | Literal[""] = "",
    sort: browse.UserSort = browse.UserSort.LOGIN,
    offset: Offset = 0,
) -> HTMLResponse:
    """The tracked users."""
    return await _people(request, setting, q=q, state=state, sort=sort, offset=offset)


async def _people(
    request: Request,
    setting: Setting,
    *,
    q: str = "",
    state: UserState | Literal[""] = "",
    sort: browse.UserSort = browse.UserSort.LOGIN,
    offset: int = 0,
    fault: str = "",
    login: str = "",
) -> HTMLResponse:
    wanted = browse.UserWanted(login=q.replace("\0", "").strip(), state=state or None)
    async with setting.database.read() as transaction:
        listed = await browse.list_users(
            transaction, viewer_of(request), wanted, sort, offset=offset, limit=ROWS
        )
    page = render(
        "people.html",
        page="people",
        listed=listed,
        wanted=wanted,
        q=q,
        state=state,
        sort=sort,
        sorts=list(browse.UserSort),
        states=list(UserState),
        offset=offset,
        rows=ROWS,
        fault=fault,
        login=login,
        backfill=str(setting.settings.backfill),
    )
    return HTMLResponse(page, status_code=422 if fault else 200)


@router.post("/people")
async def add(request: Request, setting: In) -> Response:
    """Track a user."""
    form = await request.form()
    login = str(form.get("login", "")).strip()
    try:
        try:
            backfill = Backfill.parse(
                str(form.get("backfill", "")) or str(setting.settings.backfill)
            )
        except ValueError as error:
            raise InvalidInput("backfill", str(error)) from None
        external_id = str(form.get("id", "")).strip() or None
        added = await setting.track(login, external_id, backfill)
    except (InvalidInput, UserConflict, GitHubNotFound) as error:
        return await _people(request, setting, fault=str(error), login=login)
    return RedirectResponse(f"/people/{added.user.login}", status_code=303)


@router.post("/people/{login}/{act}")
async def act_on_user(
    login: Login, act: Literal["pause", "resume", "check", "remove"], setting: In
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
    if act in {"check", "resume"}:
        await setting.wake("check")
    where = "/people" if act == "remove" else f"/people/{user.login}"
    return RedirectResponse(where, status_code=303)


@router.get("/people/{login}")
async def person(
    login: Login,
    request: Request,
    setting: In,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> HTMLResponse:
    """One user: what is known, and the files, newest first."""
    async with setting.database.read() as transaction:
        user = await users.find(transaction, login)
        seen = await browse.seen_of(transaction, user.key, viewer_of(request))
        wanted = browse.FileWanted(user_key=user.key)
        key = None if before is None else FileKey(before)
        files = await browse.list_files(transaction, wanted, before=key, limit=ROWS)
        number = await browse.count_gists(transaction, user.key)
        now = utc_now()
        since = now - timedelta(weeks=WEEKS)
        times = await browse.gist_times(transaction, user.key, since)
    return HTMLResponse(
        render(
            "person.html",
            page="people",
            user=user,
            seen=seen,
            gists=number,
            weeks=per_week(times, now),
            files=files[:ROWS],
            older=files[ROWS - 1].key if len(files) > ROWS else None,
            preview=lambda file: shown(file, PREVIEW),
            links=setting.links,
        )
    )
