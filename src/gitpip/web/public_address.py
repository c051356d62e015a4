"""The public address: what comes in below its path, and what goes out with it.

Inside, paths are the same with and without a prefix. It is removed here from what comes in (unless
the proxy did that), and added here to redirects and cookies, and to links by the templates.
"""

from contextvars import ContextVar
from urllib.parse import quote, urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gitpip.config import PublicUrl

_current: ContextVar[PublicUrl | None] = ContextVar("public_url", default=None)


class PublicAddress:
    """Serves under GITPIP_PUBLIC_URL."""

    def __init__(self, app: ASGIApp, *, public_url: PublicUrl) -> None:
        self._app = app
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        prefix = self._public_url.prefix
        path = _without(prefix, scope["path"])
        own = f"{self._public_url.scheme}://{Headers(scope=scope).get('host', '')}/"
        scope = {
            **scope,
            "path": path,
            "raw_path": quote(path, safe="/%:@!$&'()*+,;=~").encode(),
            # A proxy may not say that the browser came by https; cookies must know.
            "scheme": self._public_url.scheme,
        }
        token = _current.set(self._public_url)

        async def send_with_prefix(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_prefix(MutableHeaders(scope=message), prefix, own)
            await send(message)

        try:
            await self._app(scope, receive, send_with_prefix)
        finally:
            _current.reset(token)


def url_prefix() -> str:
    """The path of the public address, which stands before every path of ours; mostly empty."""
    public = _current.get()
    return public.prefix if public else ""


def local_url(path: str) -> str:
    """Return what a browser must ask for to get at a path of ours.

    Other addresses stay as they are.
    """
    is_ours = path.startswith("/") and not path.startswith("//")
    return url_prefix() + path if is_ours else path


def public_base(request: Request) -> str:
    """Our address for people and programs elsewhere, without a trailing slash."""
    return str(_current.get() or request.base_url).rstrip("/")


def public_url_of(request: Request) -> str:
    """The whole address of what is asked for, as people and programs elsewhere can use it."""
    path, query = quote(request.scope["path"]), request.scope["query_string"].decode("latin-1")
    return public_base(request) + (f"{path}?{query}" if query else path)


def path_of_page(request: Request, address: str) -> str | None:
    """The path and query of an address of ours, without the prefix; None for other sites."""
    public = _current.get()
    try:
        page = urlsplit(address)
    except ValueError:
        return None
    origins = {request.headers.get("host"), public and public.origin.partition("://")[2]}
    if not page.netloc or page.netloc not in origins:
        return None
    path = _without(url_prefix(), page.path or "/")
    return f"{path}?{page.query}" if page.query else path


def _without(prefix: str, path: str) -> str:
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return path.removeprefix(prefix) or "/"
    return path


def _add_prefix(headers: MutableHeaders, prefix: str, own: str) -> None:
    """Make redirects and cookies of an answer work under the prefix, and behind a proxy."""
    for name in ("location", "hx-redirect"):
        if (target := headers.get(name)) is not None:
            # The framework redirects to addresses with the host that the proxy asked for.
            is_own = target.startswith(own)
            headers[name] = local_url(f"/{target.removeprefix(own)}" if is_own else target)
    cookies = headers.getlist("set-cookie")
    if prefix and cookies:
        del headers["set-cookie"]
        for cookie in cookies:
            headers.append("set-cookie", cookie.replace("; Path=/", f"; Path={prefix}", 1))
