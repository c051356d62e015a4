"""Feeds: the files found last, of all or of those that a filter finds, for feed readers."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, NamedTuple
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid5

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from feedgenerator import Atom1Feed  # type: ignore[import-untyped]
from markupsafe import Markup

from gitpip.clock import EPOCH, in_json, utc_now
from gitpip.digests import digest
from gitpip.model import GistFile, Role
from gitpip.publication_states import STATES
from gitpip.store import listing
from gitpip.store.database import Transaction
from gitpip.store.inbox import filters, pages
from gitpip.store.inbox.filters import InboxFilter, Show
from gitpip.web import inbox_query
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import AppContext, Context
from gitpip.web.masked_previews import files_without_credentials
from gitpip.web.public_address import public_base, public_url_of
from gitpip.web.render.highlight import visible
from gitpip.web.render.jinja import size
from gitpip.web.render.links import Links

ENTRIES = 40
ENTRY_CONTENT_LIMIT = 20_000
"""The most characters of a file that an entry shows."""
ENTRY_TITLE_LIMIT = 250
DAYS: Mapping[str, str] = {Show.TODAY: "today", Show.WEEK: "7 days", Show.MONTH: "30 days"}
"""The words for the days that a filter shows."""


class Named(NamedTuple):
    """The title of a feed, the page that it stands for, and its lasting identity."""

    title: str
    home: str
    feed_id: str


router = APIRouter(route_class=RoleRoute, include_in_schema=False)


def _asked(asked: inbox_query.AskedFilter) -> InboxFilter:
    """The subject of a feed. Its days are in UTC.

    What is unread is left out on purpose: a feed has no reader who could have read something.
    """
    if asked.show in (Show.UNREAD, Show.ALL):
        asked = replace(asked, show="")
    return asked if asked.since or asked.until or asked.show else replace(asked, by="")


AskedFilter = Annotated[InboxFilter, Depends(_asked)]


@router.get("/feed.atom")
@router.get("/feeds/{address}/gists.atom")
@needs(Role.VIEWER, by_feed_address=True)
async def atom(request: Request, context: Context, asked: AskedFilter) -> Response:
    """An Atom feed (RFC 4287)."""
    named = _named(asked)
    files, links = await _read(context, asked)
    body = await asyncio.to_thread(_atom, request, files, links, named)
    return _answer(request, body, "application/atom+xml; charset=utf-8")


def _atom(request: Request, files: Sequence[GistFile], links: Links, named: Named) -> bytes:
    base = public_base(request)
    feed = Atom1Feed(
        title=named.title,
        link=base + named.home,
        description=None,
        feed_url=public_url_of(request),
        feed_guid=named.feed_id,
    )
    # The library takes the present moment for a feed without entries: never twice the same.
    feed.latest_post_date = lambda: max(map(_changed, files), default=EPOCH)
    for file in files:
        feed.add_item(
            title=_title(file),
            link=f"{base}/gist/{file.gist_id}",
            description=None,
            content=_content(file, links),
            unique_id=_feed_id("file", file.gist_id, file.filename),
            pubdate=file.created_at,
            updateddate=_changed(file),
            author_name=file.login,
            categories=[visible(file.language)] if file.language else [],
        )
    written: str = feed.writeString("utf-8")
    return written.encode()


@router.get("/feed.json")
@router.get("/feeds/{address}/gists.json")
@needs(Role.VIEWER, by_feed_address=True)
async def json_feed(request: Request, context: Context, asked: AskedFilter) -> Response:
    """A JSON Feed (version 1.1)."""
    named = _named(asked)
    files, links = await _read(context, asked)
    body = await asyncio.to_thread(_json, request, files, links, named)
    return _answer(request, body, "application/feed+json; charset=utf-8")


def _json(request: Request, files: Sequence[GistFile], links: Links, named: Named) -> bytes:
    base = public_base(request)
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": named.title,
        "home_page_url": base + named.home,
        "feed_url": public_url_of(request),
        "items": [
            {
                "id": _feed_id("file", file.gist_id, file.filename),
                "url": f"{base}/gist/{file.gist_id}",
                "title": _title(file),
                "content_html": _content(file, links),
                "date_published": in_json(file.created_at),
                "date_modified": in_json(_changed(file)),
                "authors": [{"name": file.login}],
                "tags": [visible(file.language)] if file.language else [],
            }
            for file in files
        ],
    }
    return json.dumps(document, ensure_ascii=False).encode()


async def _read(context: AppContext, asked: InboxFilter) -> tuple[Sequence[GistFile], Links]:
    async with context.database.read() as transaction:
        found = await _found(transaction, asked)
        links = await context.links(transaction)
    return await files_without_credentials(context.database, found), links


async def _found(transaction: Transaction, asked: InboxFilter) -> Sequence[GistFile]:
    wanted = replace(await filters.wanted(transaction, asked, utc_now()), unread=False)
    if wanted.by_creation:
        keys = await pages.newest_files(transaction, wanted, ENTRIES)
        return await listing.files_with_keys(transaction, keys, ENTRY_CONTENT_LIMIT + 1)
    found = await listing.list_files(
        transaction, wanted.files, before=None, limit=ENTRIES, content_limit=ENTRY_CONTENT_LIMIT + 1
    )
    return found[:ENTRIES]


def _named(asked: InboxFilter) -> Named:
    login, tag = asked.user, asked.tag
    if asked != InboxFilter(user=login, tag=tag):
        title = f"New gists: {in_words(asked)} · gitpip"
        return Named(title, f"/?{asked.query}", _feed_id("feed", asked.query))
    feed_id = _feed_id("feed", login.lower(), tag)
    match login, tag:
        case "", "":
            return Named("New gists · gitpip", "/", feed_id)
        case _, "":
            title = f"New gists of {visible(login)} · gitpip"
            return Named(title, f"/people/{login}", feed_id)
        case "", _:
            title = f"New gists of people tagged {visible(tag)} · gitpip"
            return Named(title, f"/?{urlencode({'tag': tag})}", feed_id)
        case _:
            title = f"New gists of {visible(login)} tagged {visible(tag)} · gitpip"
            return Named(title, f"/people/{login}", feed_id)


def in_words(asked: InboxFilter) -> str:
    """Return what a filter asks for, in the words of the inbox."""
    words = (
        *(asked.q, asked.language, asked.user, asked.tag, STATES.get(asked.state, "")),
        f"from {asked.since}" if asked.since else "",
        f"until {asked.until}" if asked.until else "",
        DAYS.get(asked.show, ""),
    )
    return " · ".join(visible(one) for one in words if one)


def _feed_id(*parts: str) -> str:
    """A name that stays the same wherever and whenever it is made."""
    what = "\0".join(parts).encode(errors="replace").decode()
    return uuid5(NAMESPACE_URL, f"gitpip:{what}").urn


def _title(file: GistFile) -> str:
    name = f"{file.login}: {visible(file.filename)}"
    return name if len(name) <= ENTRY_TITLE_LIMIT else name[:ENTRY_TITLE_LIMIT] + " …"


def _changed(file: GistFile) -> datetime:
    return max(moment for moment in (file.found_at, file.revised_at) if moment)


def _content(file: GistFile, links: Links) -> str:
    """The entry as HTML in which nothing that came from GitHub is more than text."""
    facts = Markup("<p>{}{}{}</p>").format(
        Markup("{} · ").format(visible(file.language)) if file.language else "",
        size(file.size),
        _link(links.gist(file.html_url)),
    )
    about = Markup("<p>{}</p>").format(visible(file.description)) if file.description else Markup()
    if file.content is None:
        return about + facts + Markup("<p>Not shown: too large or not text.</p>")
    text = file.content[:ENTRY_CONTENT_LIMIT].replace("\r\n", "\n").replace("\r", "\n")
    cut = file.truncated or len(file.content) > ENTRY_CONTENT_LIMIT
    rest = Markup("<p>File shortened.</p>") if cut else Markup()
    return about + facts + Markup("<pre>{}</pre>").format(visible(text)) + rest


def _link(address: str | None) -> Markup:
    return Markup(' · <a href="{}">View on GitHub</a>').format(address) if address else Markup()


def _answer(request: Request, body: bytes, media_type: str) -> Response:
    """The feed, or 304 to a reader that has it already, as its tag tells (RFC 9110, 13.1).

    There is no time of the last change. An entry can appear late, with an earlier time, or because
    a user was tagged, and each process would see it at another time.
    """
    etag = f'"{digest(body)[:32]}"'
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    if _knows(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _knows(request: Request, etag: str) -> bool:
    tags = request.headers.get("if-none-match", "").split(",")
    known = {tag.strip().removeprefix("W/") for tag in tags}
    return etag in known or "*" in known
