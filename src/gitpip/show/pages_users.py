"""The pages of users: the table, one user, one gist, and the publications."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from gitpip.errors import GitHubNotFound, InvalidInput, UserConflict, UserNotTracked
from gitpip.model import Backfill, FileKey, GistId, PublicationId, PublicationState, UserState
from gitpip.show.charts import WEEKS, per_week
from gitpip.show.highlight import PREVIEW, WHOLE, shown
from gitpip.show.rendering import render
from gitpip.show.setting import In, Setting
from gitpip.show.times import utc_now
from gitpip.show.viewer import viewer_of
from gitpip.store import browse, gists, publications, users

ROWS = 50

router = APIRouter(include_in_schema=False)
Login = Annotated[str, Path(max_length=100, pattern="^[A-Za-z0-9_-]+$")]
Offset = Annotated[int, Query(ge=0, le=10**9)]
GistPath = Annotated[str, Path(pattern="^[0-9A-Za-z]{1,64}$")]


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


@router.get("/gist/{gist_id}")
async def gist(gist_id: GistPath, setting: In) -> HTMLResponse:
    """One gist with all its files."""
    async with setting.database.read() as transaction:
        files = await gists.of_gist(transaction, GistId(gist_id))
    if not files:
        raise UserNotTracked(f"no gist {gist_id} is known here")
    return HTMLResponse(
        render(
            "gist.html",
            page="people",
            files=files,
            whole=lambda file: shown(file, WHOLE),
            links=setting.links,
        )
    )


@router.get("/gist/{gist_id}/raw/{key}")
async def raw(
    gist_id: GistPath, key: Annotated[int, Path(ge=1, le=2**53)], setting: In
) -> PlainTextResponse:
    """A file's content as it is stored, to be saved."""
    async with setting.database.read() as transaction:
        files = await gists.of_gist(transaction, GistId(gist_id))
    content = next((file.content for file in files if file.key == key), None)
    if content is None:
        raise UserNotTracked(f"no content of file {key} is stored here")
    return PlainTextResponse(
        content.encode(errors="replace"),
        headers={"content-disposition": f'attachment; filename="{gist_id}-{key}.txt"'},
    )


@router.get("/publications")
async def list_publications(
    setting: In, state: PublicationState | Literal[""] = "", offset: Offset = 0
) -> HTMLResponse:
    """What waits, why and until when; what was refused, and why."""
    async with setting.database.read() as transaction:
        listed = await publications.page(
            transaction, offset=offset, limit=ROWS, state=state or None
        )
        counts = await publications.count(transaction)
    return HTMLResponse(
        render(
            "publications.html",
            page="publications",
            listed=listed,
            counts=counts,
            states=list(PublicationState),
            state=state,
            offset=offset,
            rows=ROWS,
        )
    )


@router.post("/publications/{publication_id}/{act}")
async def act_on_publication(
    publication_id: Annotated[int, Path(ge=1, le=2**53)],
    act: Literal["retry", "skip"],
    setting: In,
) -> Response:
    """Send a publication after all, or not at all."""
    move = publications.retry if act == "retry" else publications.skip
    async with setting.database.begin() as transaction:
        await move(transaction, PublicationId(publication_id), utc_now())
    await setting.wake("publish")
    return RedirectResponse("/publications?state=failed", status_code=303)
