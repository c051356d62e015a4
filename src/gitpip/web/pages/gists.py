"""The pages of one gist: all its files, what changed in them, and their contents to be saved."""

import asyncio
import re
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Path, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import AfterValidator

from gitpip.clock import day_and_clock
from gitpip.errors import GistNotFound
from gitpip.model import FileKey, GistFile, GistId, Role
from gitpip.store.database import Transaction
from gitpip.store.gists import gists, unreadable
from gitpip.store.inbox import entries
from gitpip.web.auth.roles import needs
from gitpip.web.auth.viewer import remember, viewer_of
from gitpip.web.context import Context
from gitpip.web.pages.router import page_router
from gitpip.web.public_address import path_of_page
from gitpip.web.render.diff import MAX_COMPARED_LINES, differences, in_one_column
from gitpip.web.render.highlight import shown, whole_of, with_line_links
from gitpip.web.render.jinja import render

PHONE = "Mobi"
"""The part of its name that every browser of a phone sends, as MDN recommends to tell them."""

router = page_router()


def _possible(gist_id: str) -> str:
    if not re.fullmatch("[0-9A-Za-z]{1,64}", gist_id):
        raise GistNotFound(f"{gist_id[:64]!r} can't be the id of a gist")
    return gist_id


GistPath = Annotated[str, Path(), AfterValidator(_possible)]
Key = Annotated[int, Path(ge=1, le=2**53)]
Revision = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


@router.get("/gist/{gist_id}")
@needs(Role.VIEWER)
async def gist(gist_id: GistPath, request: Request, context: Context) -> HTMLResponse:
    """One gist with all its files."""
    viewer, came_from = viewer_of(request), _came_from(request)
    async with context.database.read() as transaction:
        files = await gists.of_gist(transaction, GistId(gist_id))
        unread = await unreadable.of_gist(transaction, GistId(gist_id))
        entry = await entries.entries(transaction, viewer, [GistId(gist_id)], content_limit=0)
        links = await context.links(transaction)
    if not files and unread:
        first = unread[0]
        raise GistNotFound(
            f"gist {gist_id} could not be read from GitHub: {first.reason}. "
            f"Next try: {day_and_clock(first.next_try_at)}"
        )
    if not files:
        raise GistNotFound(f"gitpip has no gist {gist_id}")
    bounds = whole_of(len(files))
    page = await asyncio.to_thread(
        render,
        "gist.html",
        page="gist",
        files=files,
        unread=unread,
        entry=entry[0] if entry else None,
        came_from=came_from,
        section=came_from.section,
        whole=lambda file: shown(file, bounds),
        with_line_links=with_line_links,
        first=min(file.key for file in files),
        links=links,
    )
    response = HTMLResponse(page)
    remember(request, response, viewer)
    return response


@dataclass(frozen=True)
class _Place:
    """The page from which the reader came to a gist."""

    path: str
    words: str
    person: str = ""
    query: str = ""
    """The part of its address that says which gists it lists."""
    is_list: bool = True
    """Whether it has a row for each gist."""

    @property
    def section(self) -> str:
        """The entry of the navigation that it belongs to."""
        return {"inbox": "home", "CRM sync": "publications"}.get(self.words, "people")

    @property
    def kept(self) -> str:
        """The query of a page that leads back here by way of another one; empty for the inbox."""
        return urlencode({"back": self.path}, safe="/") if self.path != "/" else ""


def _came_from(request: Request) -> _Place:
    """The list that led here, with its filter; the inbox where that is not known.

    A page between here and the list names the list in the address.
    """
    came_from = path_of_page(request, request.headers.get("referer", "")) or "/"
    came_from = request.query_params.get("back", came_from)
    path, _, query = came_from.partition("?")
    if path.startswith("/publications"):
        back = came_from if path == "/publications" else "/publications"
        return _Place(back, "CRM sync", is_list=False)
    if login := re.fullmatch(r"/people/([A-Za-z0-9_-]+)", path):
        return _Place(came_from, login[1], person=login[1], query=query)
    if path == "/":
        return _Place(came_from, "inbox", query=query)
    return _Place("/", "inbox")


@router.get("/gist/{gist_id}/changes/{key}")
@needs(Role.VIEWER)
async def changes(
    *,
    gist_id: GistPath,
    key: Key,
    request: Request,
    context: Context,
    before: Revision = None,
    after: Revision = None,
    view: Literal["split", "unified"] | None = None,
) -> HTMLResponse:
    """Two revisions of a file; without being told which, the last two.

    On a phone they share one column unless the reader asks for two: half of each would be cut off.
    """
    came_from = _came_from(request)
    async with context.database.read() as transaction:
        file = await _file(transaction, gist_id, key)
        past = await gists.revisions_of(transaction, file)
    known = {revision.revision: revision for revision in (*past, file)}
    newest = after or file.revision
    earlier = [number for number in known if number < newest]
    new, old = known.get(newest), known.get(before or max(earlier, default=newest))
    if new is None or old is None:
        raise GistNotFound(f"this file has the versions {', '.join(map(str, sorted(known)))}")
    places = await asyncio.to_thread(differences, old.content or "", new.content or "")
    page = await asyncio.to_thread(
        render,
        "changes.html",
        page="gist",
        came_from=came_from,
        section=came_from.section,
        file=file,
        old=old,
        new=new,
        revisions=sorted(known),
        places=places,
        view=view or ("unified" if PHONE in request.headers.get("user-agent", "") else "split"),
        in_one_column=in_one_column,
        lines=MAX_COMPARED_LINES,
        cut=any((one.content or "").count("\n") >= MAX_COMPARED_LINES for one in (old, new)),
    )
    return HTMLResponse(page)


@router.get("/gist/{gist_id}/raw/{key}")
@needs(Role.VIEWER)
async def raw(gist_id: GistPath, key: Key, context: Context) -> PlainTextResponse:
    """A file's content as it is stored, to be saved."""
    async with context.database.read() as transaction:
        file = await _file(transaction, gist_id, key)
    if file.content is None:
        raise GistNotFound("gitpip has no content of this file")
    return PlainTextResponse(
        file.content.encode(errors="replace"),
        headers={"content-disposition": f'attachment; filename="{_saved_as(file)}"'},
    )


def _saved_as(file: GistFile) -> str:
    """A name that is harmless in a header and on every disk, and opens in an editor."""
    name = re.sub("[^A-Za-z0-9._-]+", "_", file.filename[:100]).strip("._") or file.gist_id
    return f"{name}.txt"


async def _file(transaction: Transaction, gist_id: str, key: int) -> GistFile:
    file = await gists.file_of_gist(transaction, GistId(gist_id), FileKey(key))
    if file is None:
        raise GistNotFound(f"gist {gist_id} has no file {key}")
    return file
