"""What stands before every request: no other sites, no large bodies, safe headers, and a log."""

import contextlib
import time
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gitpip.metrics import http_answered
from gitpip.show.problems import answer, answer_unforeseen, told_path
from gitpip.telemetry import get_logger

BODY_LIMIT = 2**20
LARGER_BODIES = {"/imports": 2**26}
"""Where a file is sent, and how large it may be."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""What changes nothing: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1"""
QUIET = {"/health", "/ready", "/metrics"}
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

log = get_logger()


class _TooLarge(Exception):
    pass


class Guard:
    """Refuses cross-site changes and large bodies; adds headers; logs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
                    headers.setdefault("cache-control", "private, no-cache")
                if scope["scheme"] == "https":
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        try:
            await self._serve(scope, receive, send_guarded)
        except Exception as error:
            if answered:
                raise
            # The framework would answer it beyond us, without our headers.
            response = await answer_unforeseen(Request(scope), error)
            await response(scope, receive, send_guarded)
        finally:
            seconds = time.perf_counter() - started
            http_answered(method, _template(scope), status, seconds)
            level = log.debug if scope["path"] in QUIET else log.info
            level(
                "http.request",
                method=method,
                path=told_path(scope["path"]),
                status=status,
                duration_ms=round(seconds * 1000, 1),
            )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        limit = LARGER_BODIES.get(scope["path"], BODY_LIMIT)
        refusal = self._refusal(scope["method"], headers, limit)
        if refusal:
            response = answer(Request(scope), *refusal)
            await response(scope, receive, send)
            return
        received = 0
        too_large = False

        async def receive_limited() -> Message:
            nonlocal received, too_large
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                too_large = True
                raise _TooLarge
            return message

        started = False

        async def send_once(message: Message) -> None:
            nonlocal started
            # The framework answers our exception as a broken body of its own accord.
            if too_large:
                return
            started = True
            await send(message)

        with contextlib.suppress(_TooLarge):
            await self._app(scope, receive_limited, send_once)
        if too_large and not started:
            response = answer(Request(scope), *_too_large(limit), headers={"connection": "close"})
            await response(scope, receive, send)

    def _refusal(
        self, method: str, headers: Headers, limit: int
    ) -> tuple[HTTPStatus, str, str] | None:
        host = headers.get("host", "")
        if method not in SAFE_METHODS and _is_cross_site(headers, host):
            return (
                HTTPStatus.FORBIDDEN,
                "cross-site",
                "a page of another site may not change anything here",
            )
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:20]) > limit:
            return _too_large(limit)
        return None


def _too_large(limit: int) -> tuple[HTTPStatus, str, str]:
    return (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-large",
        f"the body is larger than {limit} bytes",
    )


def _template(scope: Scope) -> str:
    """The route that answered, as it is declared; a path would be a label without bounds."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str):
        return path
    return "/static" if scope["path"].startswith("/static/") else "none"


def _is_cross_site(headers: Headers, host: str) -> bool:
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != host
