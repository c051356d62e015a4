"""Who may do what: each request needs a role, and whoever asks has one or is refused.

Reading needs a viewer, changing an operator; what differs stands in the tables here. So whatever
route is added is closed to others before anybody thinks of it.
"""

import re
from http import HTTPStatus
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from limits import RateLimitItem
from starlette.types import ASGIApp, Receive, Scope, Send

from gitpip.errors import AccessRefused, GitpipError
from gitpip.model import Role
from gitpip.settings import is_loopback
from gitpip.show.authentication import FEED, Authentication, address_of
from gitpip.show.caller import STATE, Caller, present
from gitpip.show.guard import SAFE_METHODS
from gitpip.show.problems import answer, answer_foreseen, wants_page
from gitpip.show.sign_in import sign_in_form
from gitpip.show.throttle import Throttle

OPEN = re.compile(r"/health|/ready|/sign-in|/static/.*")
"""What needs no role: what supervisors ask, and what the sign-in page needs."""
OWN = re.compile(
    r"/seen|/sign-out|/feeds(/\d+/revoke)?|/latestgists/[^/]+|/api/v1/users/[^/]+/visits"
)
"""What viewers may post: visits, sessions and addresses of their own."""
CHANGING = re.compile(r"/imports|/people/[^/]+/remove")
"""Pages that only ask for a change."""
ADMINISTRATION = re.compile(r"(/api/v1)?/(keys|audit)(/.*)?")

NOT_DONE = (
    "Nothing was changed, as you are not signed in, or no longer. Sign in, and send it again."
)
UNKNOWN = "no valid access key was given; send one in the header Authorization: Bearer KEY"


def needed_role(method: str, path: str) -> Role | None:
    """The role that a request needs; None for what is open to all."""
    if OPEN.fullmatch(path):
        return None
    if ADMINISTRATION.fullmatch(path):
        return Role.ADMIN
    reading = method in SAFE_METHODS and not CHANGING.fullmatch(path)
    if reading or (method == "POST" and OWN.fullmatch(path)):
        return Role.VIEWER
    return Role.OPERATOR


class Access:
    """Lets through whose role suffices, as often as the limit lets them; answers the others."""

    def __init__(
        self, app: ASGIApp, *, authentication: Authentication, limit: RateLimitItem | None
    ) -> None:
        self._app = app
        self._authentication = authentication
        self._throttle = Throttle(limit) if limit else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        # The path that is routed: `request.url` also holds what the client calls our host.
        needed = needed_role(request.method, scope["path"])
        refusal = None
        if needed:
            try:
                refusal = await self._refusal(request, needed)
            except GitpipError as error:
                refusal = await answer_foreseen(request, error)
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(self, request: Request, needed: Role) -> Response | None:
        caller = await self._authentication.caller(request)
        refusal = self._too_often(request, caller) or self._foreign_host(request, caller)
        if refusal:
            return refusal
        if caller is None:
            return _unknown(request, await self._authentication.proxy_notice(request))
        if not caller.role.includes(needed):
            raise AccessRefused(_too_little(caller, needed))
        if caller.in_session and request.method not in SAFE_METHODS and not _tells_page(request):
            raise AccessRefused(
                "a change in a browser's session must say which page it comes from, in the "
                "header Origin or Sec-Fetch-Site; programs send an access key instead"
            )
        request.scope[STATE] = caller
        present.set(caller)
        return None

    def _too_often(self, request: Request, caller: Caller | None) -> Response | None:
        open_at_home = self._authentication.on_loopback and caller and caller.name is None
        if self._throttle is None or open_at_home:
            return None
        who = (caller and caller.name) or address_of(request)
        pause = self._throttle.pause(who)
        if pause is None:
            self._throttle.count(who)
            return None
        return answer(
            request,
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-requests",
            f"more than {self._throttle.limit} from {who}: wait as long as the header Retry-After "
            "says, or let the operator raise GITPIP_REQUEST_LIMIT",
            headers={"retry-after": str(pause)},
        )

    def _foreign_host(self, request: Request, caller: Caller | None) -> Response | None:
        """Refuse what a page elsewhere gets at by giving its own name this machine's address."""
        if caller is None or caller.name or not self._authentication.on_loopback:
            return None
        host = request.headers.get("host", "")
        if is_loopback(_name(host)):
            return None
        return answer(
            request,
            HTTPStatus.BAD_REQUEST,
            "foreign-host",
            f"Host {host[:100]!r} is not this machine; use http://127.0.0.1 or localhost, "
            "or make an access key",
        )


def _unknown(request: Request, proxy_notice: str | None) -> Response:
    """One wording for whatever is no valid key; a browser is led to where it can give one."""
    if FEED.fullmatch(request.scope["path"]):
        detail = "no feed has this address; it may have been revoked"
        return answer(request, HTTPStatus.NOT_FOUND, "feed-not-found", detail)
    if "authorization" not in request.headers:
        if "hx-request" in request.headers:
            return Response(
                status_code=HTTPStatus.UNAUTHORIZED,
                headers={"hx-redirect": _sign_in_before(_page_before(request))},
            )
        if wants_page(request) and request.method in SAFE_METHODS:
            return RedirectResponse(_sign_in_before(_wanted(request)), status_code=303)
        if wants_page(request):
            fault = f"Nothing was changed: {proxy_notice}" if proxy_notice else NOT_DONE
            return sign_in_form(_page_before(request), fault=fault, key_is_wrong=False)
    return answer(
        request,
        HTTPStatus.UNAUTHORIZED,
        "no-valid-key",
        UNKNOWN if proxy_notice is None or "authorization" in request.headers else proxy_notice,
        headers={"www-authenticate": 'Bearer realm="gitpip"'},
    )


def _sign_in_before(wanted: str) -> str:
    """The sign-in page, which leads on to what was wanted."""
    return "/sign-in" if wanted == "/" else f"/sign-in?{urlencode({'next': wanted})}"


def _wanted(request: Request) -> str:
    """The page that is asked for."""
    path, query = quote(request.scope["path"]), request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _page_before(request: Request) -> str:
    """The page of ours that a request was made on; the first one where it does not say."""
    try:
        page = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "/"
    if page.netloc != request.headers.get("host"):
        return "/"
    return f"{page.path}?{page.query}" if page.query else page.path


def _too_little(caller: Caller, needed: Role) -> str:
    if caller.name:
        return f"this needs the role {needed}; your key {caller.name} has {caller.role}"
    return (
        f"this needs the role {needed}; without an access key only reading is open here: sign in, "
        "or send a key in the header Authorization: Bearer KEY"
    )


def _tells_page(request: Request) -> bool:
    """Whether it says where it comes from; that this is no other site was seen before."""
    return "origin" in request.headers or "sec-fetch-site" in request.headers


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
