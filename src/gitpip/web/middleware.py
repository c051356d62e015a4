"""Middleware before every request: no other sites, no large bodies, safe headers, and a log."""

import asyncio
import contextlib
import re
import time
from collections import Counter
from http import HTTPStatus
from unicodedata import category

from limits import RateLimitItem
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gitpip.config import PublicUrl
from gitpip.observability.logging import get_logger
from gitpip.observability.metrics import http_answered
from gitpip.web.auth.authentication import address_of
from gitpip.web.auth.identity import STATE, Identity
from gitpip.web.auth.refusal_log import RefusalLog, shortened
from gitpip.web.auth.throttle import Throttle, address_counted
from gitpip.web.errors import (
    Detail,
    answer,
    answer_unexpected_error,
    asked_too_often,
    path_without_secret,
)
from gitpip.web.render.jinja import size as size_in_words

BODY_LIMIT = 2**20
FORM_LIMIT = 2**16
"""The largest body, in bytes, of a request that is not of a program: the largest is a list of
selected users."""
BODY_LIMITS = {
    "/imports": 2**26,
    "/api/v1/imports": 2**26,
    # The 100,000 characters of its field take at most nine bytes each.
    "/people": BODY_LIMIT,
    "/sign-in": 2**14,
    "/sign-out": 2**14,
}
"""Other limits, in bytes: of what is written to disk, and of forms that need no access key."""
BODIES_IN_MEMORY = 2**26
"""Bytes of all bodies, each of at most BODY_LIMIT, that are held at a time."""
BODIES_OF_ADDRESS = BODIES_IN_MEMORY // 4
"""Bytes of them that come from one address, so that others can always send theirs."""
LONGEST_TARGET = 2**13
"""Bytes of a request's path and query; RFC 9110 asks for 8,000 at least:
https://www.rfc-editor.org/rfc/rfc9110#section-4.1"""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1"""
NUL = b"%00"
UNLOGGED_PATHS = {"/health", "/ready", "/metrics"}
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With no-referrer, browsers send our own forms with "Origin: null".
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

TOO_MANY_BODIES = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-bodies",
    Detail(
        "too many bodies are being received at the same time; send it again in a few seconds",
        ["gitpip is receiving too much at the same time. Try again in a few seconds."],
    ),
)
UNUSABLE_ADDRESS = [
    "The address contains a character that can't be used, such as %00. Check the address, or start "
    "from the inbox."
]
"""For people."""
RETRY = {HTTPStatus.SERVICE_UNAVAILABLE: {"retry-after": "5"}}
HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", re.ASCII)
"""A valid header Host: a name or an address, with or without a port. Other code takes everything
before the first colon as the name."""

log = get_logger()


class _BodyRefused(Exception):
    pass


class _Bodies:
    """The number of bytes of bodies in memory, of each address."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._total = 0

    def add(self, address: str, size: int) -> None:
        """Count bytes in, or with a negative size out."""
        self._total += size
        self._held[address] += size
        if not self._held[address]:
            del self._held[address]

    def are_too_many(self, address: str) -> bool:
        """Return whether an address holds more than its part, or all together too much."""
        return self._held[address] > BODIES_OF_ADDRESS or self._total > BODIES_IN_MEMORY


class SecurityMiddleware:
    """Refuses cross-site changes and large bodies; adds headers; logs."""

    def __init__(
        self, app: ASGIApp, *, public_url: PublicUrl | None, limit: RateLimitItem | None
    ) -> None:
        """`limit`: how often each address may be refused here; None for no limit."""
        self._app = app
        self._throttle = Throttle(limit) if limit else None
        self._refusals = RefusalLog()
        self._bodies = _Bodies()
        self._public_origin = public_url.origin if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500
        answered = False
        method = scope["method"]
        if method == "HEAD":
            # Whatever can be read can be asked for its head; the server leaves out the body.
            scope = {**scope, "method": "GET"}

        async def send_guarded(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                answered = True
                status = int(message["status"])
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("cache-control", _caching(scope))
                if scope["scheme"] == "https":
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        try:
            await self._serve(scope, receive, send_guarded)
        except (Exception, asyncio.CancelledError) as error:
            if answered:
                raise
            # The framework would answer it beyond us, without our headers.
            response = await _answer_failed(Request(scope), error)
            await response(scope, receive, send_guarded)
        finally:
            seconds = time.perf_counter() - started
            http_answered(method, _template(scope), status, seconds)
            self._log(scope, method, status, seconds)

    def _log(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        state, address = scope.get(STATE), address_of(Request(scope))
        identity = state if isinstance(state, Identity) else None
        if not self._refusals.takes(status, identity, address):
            return
        level = log.debug if scope["path"] in UNLOGGED_PATHS else log.info
        level(
            "http.request",
            method=shortened(method),
            path=shortened(path_without_secret(scope["path"])),
            status=status,
            address=shortened(address),
            duration_ms=round(seconds * 1000, 1),
            **({"key": identity.name} if identity and identity.name else {}),
        )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        limit = _body_limit(scope["path"])
        refusal = self._refusal(scope, headers, limit)
        if refusal:
            response = self._too_often(scope) or answer(Request(scope), *refusal)
            await response(scope, receive, send)
            return
        address = address_counted(address_of(Request(scope)))
        received = held = 0
        refusal = None

        async def receive_limited() -> Message:
            nonlocal received, held, refusal
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            if limit <= BODY_LIMIT:
                held += size
                self._bodies.add(address, size)
            if received > limit:
                refusal = _too_large(limit)
            elif held and self._bodies.are_too_many(address):
                refusal = TOO_MANY_BODIES
            if refusal:
                raise _BodyRefused
            return message

        started = False

        async def send_once(message: Message) -> None:
            nonlocal started
            # The framework turns our exception into its answer for a broken body.
            if refusal:
                return
            started = True
            await send(message)

        try:
            with contextlib.suppress(_BodyRefused):
                await self._app(scope, receive_limited, send_once)
        finally:
            self._bodies.add(address, -held)
        if refusal and not started:
            headers = {"connection": "close", **RETRY.get(refusal[0], {})}
            response = answer(Request(scope), *refusal, headers=headers)
            await response(scope, receive, send)

    def _too_often(self, scope: Scope) -> Response | None:
        """The answer to an address whose requests were refused here too often."""
        request = Request(scope)
        address = address_counted(address_of(request))
        if self._throttle is None or (pause := self._throttle.hit(address)) is None:
            return None
        return answer(
            request,
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-requests",
            asked_too_often(
                f"more than {self._throttle.limit} refused requests from {address}: wait as long "
                "as the header Retry-After says",
                pause,
            ),
            headers={"retry-after": str(pause)},
        )

    def _refusal(
        self, scope: Scope, headers: Headers, limit: int
    ) -> tuple[HTTPStatus, str, str | Detail] | None:
        if malformed := _malformed(scope, headers):
            return malformed
        if scope["method"] not in SAFE_METHODS and _is_cross_site(
            headers, scope["scheme"], self._public_origin
        ):
            return (
                HTTPStatus.FORBIDDEN,
                "cross-site",
                "a page of another site may not change anything here",
            )
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:20]) > limit:
            return _too_large(limit)
        return None


def _malformed(scope: Scope, headers: Headers) -> tuple[HTTPStatus, str, Detail] | None:
    """Return the fault of the target of a request, or of its header Host."""
    if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_TARGET:
        return (
            HTTPStatus.REQUEST_URI_TOO_LONG,
            "target-too-long",
            Detail(
                f"the path and the query are longer than {LONGEST_TARGET} bytes",
                ["Search for less text, or use fewer filters."],
            ),
        )
    hosts = headers.getlist("host")
    if len(hosts) > 1 or not all(map(HOST.fullmatch, hosts)):
        return (
            HTTPStatus.BAD_REQUEST,
            "bad-host",
            Detail(
                "the header Host must be a name or an address, with or without a port",
                ["Open gitpip by its name or its IP address."],
            ),
        )
    if any(category(mark) == "Cc" for mark in scope["path"]):
        return (
            HTTPStatus.BAD_REQUEST,
            "control-characters",
            Detail(
                "the path must hold no control characters, such as %0A or %00", UNUSABLE_ADDRESS
            ),
        )
    if NUL in scope["query_string"]:
        return (
            HTTPStatus.BAD_REQUEST,
            "control-characters",
            Detail("a parameter must hold no control character %00", UNUSABLE_ADDRESS),
        )
    return None


async def _answer_failed(request: Request, error: Exception | asyncio.CancelledError) -> Response:
    task = asyncio.current_task()
    is_cancelled = task is not None and task.cancelling() > 0
    if isinstance(error, Exception) and not is_cancelled:
        return await answer_unexpected_error(request, error)
    # The server stops, and has waited for this request for as long as it does.
    status = HTTPStatus.SERVICE_UNAVAILABLE
    detail = Detail(
        "gitpip stopped before it was done with this; send it again in a few seconds",
        ["gitpip was stopped before it was done. Try again in a few seconds."],
    )
    headers = {"connection": "close", **RETRY[status]}
    return answer(request, status, "stopping", detail, headers=headers)


def _caching(scope: Scope) -> str:
    """Return what browsers may keep: nothing of a session, as Back would show it after its end."""
    state = scope.get(STATE)
    in_session = isinstance(state, Identity) and state.in_session
    return "no-store" if in_session else "private, no-cache"


def _body_limit(path: str) -> int:
    return BODY_LIMITS.get(path, BODY_LIMIT if path.startswith("/api/") else FORM_LIMIT)


def _too_large(limit: int) -> tuple[HTTPStatus, str, Detail]:
    detail = Detail(
        f"the body is larger than {limit} bytes",
        [f"gitpip takes at most {size_in_words(limit)} here. Send less at once."],
    )
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", detail


def _template(scope: Scope) -> str:
    """The route that answered, as it is declared; a path would be a label without bounds."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str):
        return path
    return "/static" if scope["path"].startswith("/static/") else "none"


def _is_cross_site(headers: Headers, scheme: str, public_origin: str | None) -> bool:
    """Return whether a page of another site sent a request.

    No page can set Sec-Fetch-Site, and it says where the page is from even if a proxy changes the
    header Host, or its port (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header). Browsers
    leave it out over plain HTTP, and Safari did before 16.4; then Origin must be ours. `scheme` is
    the request's: a proxy that is not trusted, or does not say it, makes https look like http.
    """
    site = headers.get("sec-fetch-site", "none")
    if site != "none":
        return site != "same-origin"
    origin = headers.get("origin")
    if origin is None or origin == public_origin:
        return False
    origin_scheme, _, origin_host = origin.lower().partition("://")
    if origin_scheme not in ("http", "https") or origin_host != headers.get("host", "").lower():
        return True
    # At another name, such as 127.0.0.1 here, the public address says nothing of the scheme.
    ours = public_origin or f"{scheme}://{origin_host}"
    return ours == f"https://{origin_host}" and origin_scheme == "http"
