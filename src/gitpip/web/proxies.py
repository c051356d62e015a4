"""Reverse proxies: how a connection reached this process, and what trusted proxies say about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, cast

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gitpip.config import is_loopback

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

STATE = "gitpip.connection"
"""The key under which a request's scope holds its connection."""
FORWARDING_HEADER = re.compile(
    r"forwarded(-.+)?|via|x-forwarded(-.+)?|x-original-.+|x-envoy-.+|.*real-ip|.*(client|user)-ip"
    r"|.*connecting-ip|x-proxy.*|proxy-.+|cdn-loop"
)
"""Headers that proxies and CDNs add, in lower case: RFC 7239 (Forwarded), RFC 9110 (Via), RFC 8586
(CDN-Loop), and what nginx, Caddy, Traefik, HAProxy, Envoy, Apache, ngrok (X-Forwarded-*,
X-Real-IP), Cloudflare (CF-Connecting-IP) and Akamai (True-Client-IP) document."""
PEER = "gitpip.peer"
"""The key under which a request's scope holds the address and port of the other end."""
PROXY_HTTP_VERSION = "1.0"
"""nginx before 1.29.7 speaks HTTP/1.0 to what it passes requests to, and adds no header, unless
proxy_http_version says otherwise: https://nginx.org/en/docs/http/ngx_http_proxy_module.html.
Browsers, curl and HTTP libraries have spoken HTTP/1.1 for decades."""


@dataclass(frozen=True)
class ClientConnection:
    """The TCP connection that brought a request, before any header is believed."""

    peer: str | None
    """The address of the other end; None for a Unix socket."""
    proxy_sign: str | None
    """Return what shows that a proxy passed the request on; None if nothing does."""

    @property
    def is_from_this_machine(self) -> bool:
        """Return whether a program of this machine asks for itself, and passes no request on."""
        return self.peer is not None and is_loopback(self.peer) and self.proxy_sign is None


def connection_of(request: Request) -> ClientConnection:
    """The connection that brought a request."""
    connection = request.scope[STATE]
    if not isinstance(connection, ClientConnection):
        raise TypeError("the request did not pass the Proxies middleware")
    return connection


class Proxies:
    """Notes each request's connection, then takes client and scheme from trusted proxies.

    A client that is no IP address is not believed: X-Forwarded-For may hold any text, and the
    address is logged and counted. The server's own middleware must be off: it overwrites the
    address of the connection.
    """

    def __init__(self, app: ASGIApp, *, trusted: Sequence[str]) -> None:
        self._inner = app
        # uvicorn and Starlette have different types for the same ASGI interface.
        checking = cast("ASGI3Application", self._with_plain_client)
        self._app = cast("ASGIApp", ProxyHeadersMiddleware(checking, list(trusted)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            peer = scope["client"]
            peer = peer and (_plain(peer[0]) or peer[0], peer[1])
            connection = ClientConnection(peer and peer[0], _proxy_sign(scope))
            scope = {**scope, "client": peer, PEER: peer, STATE: connection}
        await self._app(scope, receive, send)

    async def _with_plain_client(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["client"] != scope[PEER]:
            address = _plain(scope["client"][0])
            scope["client"] = (address, scope["client"][1]) if address else scope[PEER]
        await self._inner(scope, receive, send)


def _plain(address: str) -> str | None:
    """An IP address in its usual form; None if it is none.

    An IPv4 address is given as such where a socket of both families shows it as ::ffff:192.0.2.1,
    and an IPv6 address without its zone, which may be any text.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def _proxy_sign(scope: Scope) -> str | None:
    headers = Headers(scope=scope)
    for name in headers:
        if FORWARDING_HEADER.fullmatch(name):
            return f"the header {name.title()}"
    if _is_for_websocket(headers):
        return "the header Connection: upgrade"
    if scope["http_version"] == PROXY_HTTP_VERSION:
        return "HTTP/1.0, as nginx speaks it"
    return None


def _is_for_websocket(headers: Headers) -> bool:
    """Return whether a request asks for another protocol than HTTP, as many proxies do.

    nginx's example for WebSockets sends `Connection: upgrade` with every request
    (https://nginx.org/en/docs/http/websocket.html). Browsers only send it to open a WebSocket, and
    gitpip has none. curl and Java's HttpClient send it to change to HTTP/2 (`Upgrade: h2c`).
    """
    connection = headers.get("connection", "").lower()
    asks = "upgrade" in headers or "upgrade" in map(str.strip, connection.split(","))
    return asks and headers.get("upgrade", "").lower() != "h2c"
