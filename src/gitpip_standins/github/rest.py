"""GitHub's REST routes: users, gists, lists of gists, raw files."""

import hashlib
import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import unquote, urlencode

from gitpip_standins import pages
from gitpip_standins.exchange import Answer, JsonObject, Request, json_answer
from gitpip_standins.github.objects import Objects
from gitpip_standins.github.troubles import distorted
from gitpip_standins.github.world import Gist, User, World

Order = Literal["created", "updated", "shuffled"]

ABOUT = "A simulated GitHub. Nothing here is real."
LARGEST_PAGE = 100
LEGAL_REASONS = 451
TOO_LARGE = 33 * 1024 * 1024
"""Bytes that no client should read of one answer about one gist."""
LONGEST_FEED = 3000


@dataclass
class Lists:
    """The behaviour of lists of gists; every field can be changed while requests come in."""

    order: Order = "created"
    """Newest first by this time; `shuffled` is neither, but stays as long as the gists do."""
    public_feed_age: timedelta = timedelta(0)
    """The time for which the public list is served from a cache; a minute on GitHub."""
    name_last_page: bool = True
    """Whether Link headers carry `last`; GitHub omits it at times."""
    largest_page: int = LARGEST_PAGE
    """More than so many items are on no page, whatever is asked for."""
    failing_pages: set[int] = field(default_factory=set)
    """The numbers of the pages that answer 500."""
    behind: timedelta = timedelta(0)
    """The age of the lists of a user's gists."""
    gists_behind: timedelta = timedelta(0)
    """The age of the answers about single gists."""
    hide_blocked: bool = False
    """Whether a user's list leaves out the gists that are blocked."""
    _feed: list[Gist] = field(default_factory=list)
    _feed_read_at: datetime | None = None

    def sorted(self, gists: Iterable[Gist]) -> list[Gist]:
        match self.order:
            case "created":
                return sorted(gists, key=lambda g: (g.created_at, g.sequence), reverse=True)
            case "updated":
                return sorted(gists, key=lambda g: (g.updated_at, g.sequence), reverse=True)
            case "shuffled":
                return sorted(gists, key=lambda g: hashlib.sha256(g.id.encode()).digest())

    def feed(self, at: datetime, read: Callable[[], list[Gist]]) -> list[Gist]:
        """The public list as it is now, or as it was when it was cached."""
        if not self.public_feed_age:
            return read()
        if self._feed_read_at is None or at >= self._feed_read_at + self.public_feed_age:
            self._feed, self._feed_read_at = [gist.copy() for gist in read()], at
        return self._feed


@dataclass(frozen=True)
class Call:
    """A request to the REST API with what belongs to it."""

    world: World
    lists: Lists
    request: Request
    caller: str | None
    """The login whose token the request came with."""
    objects: Objects


def answer_rest(
    world: World, lists: Lists, request: Request, caller: str | None, version: str
) -> Answer:
    """The answer to a request; limits, ETags and versions are others' business."""
    call = Call(world, lists, request, caller, Objects(world, request.origin, version))
    for method, path, route in _ROUTES:
        if request.method == method and (found := path.fullmatch(request.path)):
            return route(call, *found.groups())
    return failure(404, "Not Found")


def failure(status: int, message: str, **more: object) -> Answer:
    """An error as GitHub words it."""
    return json_answer(
        status,
        {
            "message": message,
            **more,
            "documentation_url": "https://docs.github.com/rest",
            "status": str(status),
        },
    )


def _user_by_login(call: Call, login: str) -> Answer:
    return _of_user(call.world.user_of(login), lambda user: _shown_user(call, user))


def _user_by_id(call: Call, user_id: str) -> Answer:
    return _of_user(call.world.user(int(user_id)), lambda user: _shown_user(call, user))


def _user_of_the_token(call: Call) -> Answer:
    if call.caller is None:
        return failure(401, "Requires authentication")
    # Whose token it is may not be anybody the world tells of.
    user = call.world.user_of(call.caller) or User(1, call.caller.lstrip("#"), call.request.at)
    return _shown_user(call, user)


def _gists_by_login(call: Call, login: str) -> Answer:
    return _of_user(call.world.user_of(login), lambda user: _user_gists(call, user))


def _gists_by_id(call: Call, user_id: str) -> Answer:
    return _of_user(call.world.user(int(user_id)), lambda user: _user_gists(call, user))


def _of_user(user: User | None, answer: Callable[[User], Answer]) -> Answer:
    """The answer about a user, unless GitHub does not show this one."""
    if user is None:
        return failure(404, "Not Found")
    if user.hidden_answers:
        user.hidden_answers -= 1
        return failure(404, "Not Found")
    if user.blocked:
        return failure(451, "Access blocked", block=_block("dmca"))
    return answer(user)


def _shown_user(call: Call, user: User) -> Answer:
    return json_answer(200, call.objects.public_user(user))


def _user_gists(call: Call, user: User) -> Answer:
    since = _since(call.request)
    if isinstance(since, Answer):
        return since
    own = (call.caller or "").lower() == user.login.lower()
    gists = call.lists.sorted(
        gist
        for gist in call.world.gists_of(user.id, call.request.at - call.lists.behind)
        if (gist.public or own) and (since is None or gist.updated_at >= since)
        if not (call.lists.hide_blocked and gist.troubles.blocked)
    )
    return _page(call, gists, f"/user/{user.id}/gists")


def _public_gists(call: Call) -> Answer:
    since = _since(call.request)
    if isinstance(since, Answer):
        return since
    page, size = _paging(call.request, call.lists.largest_page)
    if (page - 1) * size >= LONGEST_FEED:
        return failure(422, f"Only the first {LONGEST_FEED} gists are available.")

    def read() -> list[Gist]:
        shown = [gist for gist in call.world.all_gists() if gist.public and _visible(call, gist)]
        return call.lists.sorted(shown)[:LONGEST_FEED]

    feed = call.lists.feed(call.request.at, read)
    gists = [gist for gist in feed if since is None or gist.updated_at >= since]
    return _page(call, gists, "/gists/public")


def _visible(call: Call, gist: Gist) -> bool:
    owner = call.world.user(gist.owner_id)
    hidden = owner is None or owner.blocked or owner.hidden_answers
    return not hidden and not gist.troubles.blocked


def _one_gist(call: Call, gist_id: str) -> Answer:
    gist = call.world.gist(gist_id, call.request.at - call.lists.gists_behind)
    if gist is None:
        return failure(404, "Not Found")
    owner = call.world.user(gist.owner_id)
    if owner is not None and owner.hidden_answers:
        owner.hidden_answers -= 1
        return failure(404, "Not Found")
    if gist.troubles.blocked == LEGAL_REASONS:
        return failure(451, "Repository access blocked", block=_block("dmca"))
    if gist.troubles.blocked or (owner is not None and owner.blocked):
        return failure(403, "Gist access blocked", block=_block("tos"))
    return _troubled_gist(call, gist)


def _troubled_gist(call: Call, gist: Gist) -> Answer:
    match gist.troubles.failing:
        case "broken":
            return Answer(200, b'{"id": "', {"content-type": "application/json"})
        case "too-large":
            return Answer(200, b" " * TOO_LARGE, {"content-type": "application/json"})
        case str(status):
            return failure(int(status), "Not Found" if status == "404" else "Server Error")
    shown = call.objects.whole_gist(gist)
    oddity = gist.troubles.odd if gist.troubles.odd_alone else None
    return json_answer(200, distorted(shown, oddity))


def _newest_raw_file(call: Call, gist_id: str, name: str) -> Answer:
    """A file by its name alone, as it is now."""
    gist = call.world.gist(gist_id)
    file = gist.files.get(name) if gist else None
    return _raw_file(call, gist_id, file.blob_hash if file else "")


def _raw_file(call: Call, gist_id: str, blob_hash: str) -> Answer:
    file = call.world.blob(gist_id, blob_hash)
    gist = call.world.gist(gist_id)
    if file is None or gist is None or file.name in gist.troubles.missing_raw:
        return Answer(404, b"404: Not Found", {"content-type": "text/plain; charset=utf-8"})
    return Answer(
        200,
        file.content,
        {"content-type": "text/plain; charset=utf-8", "cache-control": "max-age=300"},
    )


def _web_page(call: Call, gist_id: str) -> Answer:
    """Return the page at a gist's `html_url`."""
    gist = call.world.gist(gist_id)
    if gist is None:
        return Answer(404, b"Not Found", {"content-type": "text/plain"})
    files = "".join(
        f"<h2>{html.escape(file.name)}</h2>"
        f"<pre>{html.escape(file.content.decode(errors='replace'))}</pre>"
        for file in gist.files.values()
    )
    return pages.page(200, gist.description or gist.id, files, about=ABOUT)


def _gists_page(call: Call, login: str) -> Answer:
    """Return the page with the gists of a user."""
    user = call.world.user_of(login)
    if user is None:
        return pages.page(404, "Not found", "", about=ABOUT)
    gists = [gist for gist in call.world.gists_of(user.id) if gist.public]
    rows = [
        (
            pages.link(f"/web/{user.login}/{gist.id}", gist.description or gist.id),
            html.escape(", ".join(gist.files)),
        )
        for gist in gists
    ]
    shown = pages.table(("Gist", "Files"), rows, "No gists yet.")
    return pages.page(200, user.login, shown, about=ABOUT)


_ROUTES: tuple[tuple[str, re.Pattern[str], Callable[..., Answer]], ...] = (
    ("GET", re.compile(r"/users/([^/]+)"), _user_by_login),
    ("GET", re.compile(r"/user"), _user_of_the_token),
    ("GET", re.compile(r"/user/([0-9]+)"), _user_by_id),
    ("GET", re.compile(r"/users/([^/]+)/gists"), _gists_by_login),
    ("GET", re.compile(r"/user/([0-9]+)/gists"), _gists_by_id),
    ("GET", re.compile(r"/gists/public"), _public_gists),
    ("GET", re.compile(r"/gists/([^/]+)"), _one_gist),
    ("GET", re.compile(r"/raw/[^/]+/([^/]+)/raw/([0-9a-f]{40})/.+"), _raw_file),
    ("GET", re.compile(r"/raw/[^/]+/([^/]+)/raw/([^/]+)"), _newest_raw_file),
    ("GET", re.compile(r"/web/[^/]+/([^/]+)"), _web_page),
    ("GET", re.compile(r"/(?:gist|web)/([^/]+)"), _gists_page),
)


def _page(call: Call, gists: list[Gist], path: str) -> Answer:
    page, size = _paging(call.request, call.lists.largest_page)
    if page in call.lists.failing_pages:
        return failure(500, "Server Error")
    start = (page - 1) * size
    answer = json_answer(
        200,
        [
            distorted(call.objects.listed_gist(gist), gist.troubles.odd)
            for gist in gists[start : start + size]
        ],
    )
    last = max(1, -(-len(gists) // size))
    targets = {}
    if page > 1:
        targets["prev"] = min(page - 1, last)
    if page < last:
        targets["next"] = page + 1
        if call.lists.name_last_page:
            targets["last"] = last
    if page > 1:
        targets["first"] = 1
    if targets:
        kept = {k: v for k, v in call.request.query.items() if k in ("per_page", "since")}
        url = f"{call.request.origin}{path}?"
        answer.headers["link"] = ", ".join(
            f'<{url}{urlencode(kept | {"page": str(number)})}>; rel="{relation}"'
            for relation, number in targets.items()
        )
    return answer


def _paging(request: Request, largest: int) -> tuple[int, int]:
    """Page number and size; GitHub bends what is out of range."""
    page, size = (
        int(text) if re.fullmatch("[0-9]{1,9}", text := request.query.get(name, "")) else 0
        for name in ("page", "per_page")
    )
    return max(1, page), min(size or 30, largest)


def _since(request: Request) -> datetime | Answer | None:
    text = request.query.get("since")
    if not text:
        return None
    try:
        since = datetime.fromisoformat(unquote(text))
    except ValueError:
        return failure(422, "Invalid request. since is not a time in ISO 8601.")
    return since if since.tzinfo else since.replace(tzinfo=UTC)


def _block(reason: str) -> JsonObject:
    return {"reason": reason, "created_at": "2024-01-02T03:04:05Z", "html_url": None}
