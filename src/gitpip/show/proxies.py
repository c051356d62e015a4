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

from gitpip.settings import is_loopback

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
PROXY_HTTP_VERSION = "1.0"
"""nginx before 1.29.7 speaks HTTP/1.0 to what it passes requests to, and adds no header, unless it
is configured otherwise: https://nginx.org/en/docs/http/ngx_http_proxy_module.html. Browsers, curl
and HTTP libraries have spoken HTTP/1.1 for decades."""


@dataclass(frozen=True)
class Connection:
    """The TCP connection that brought a request, before any header is believed."""

    peer: str | None
    """The address of the other end; None for a Unix socket."""
    proxy_sign: str | None
    """What shows that a proxy passed the request on; None if nothing does."""

    @property
    def is_from_this_machine(self) -> bool:
        """Whether a program of this machine asks for itself, and passes nobody's request on."""
        return self.peer is not None and is_loopback(self.peer) and self.proxy_sign is None


def connection_of(request: Request) -> Connection:
    """The connection that brought a request."""
    connection = request.scope[STATE]
    if not isinstance(connection, Connection):
        raise TypeError("the request did not pass the Proxies middleware")
    return connection


class Proxies:
    """Notes each request's connection, then takes client and scheme from trusted proxies.

    The server's own middleware must be off: it overwrites the address of the connection.
    """

    def __init__(self, app: ASGIApp, *, trusted: Sequence[str]) -> None:
        # uvicorn and Starlette have different types for the same ASGI interface.
        believing = ProxyHeadersMiddleware(cast("ASGI3Application", app), list(trusted))
        self._app = cast("ASGIApp", believing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            peer = scope["client"] and (_plain(scope["client"][0]), scope["client"][1])
            connection = Connection(peer and peer[0], _proxy_sign(scope))
            scope = {**scope, "client": peer, STATE: connection}
        await self._app(scope, receive, send)


def _plain(address: str) -> str:
    """An IPv4 address as such where a socket of both families shows it as ::ffff:192.0.2.1."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def _proxy_sign(scope: Scope) -> str | None:
    for name in Headers(scope=scope):
        if FORWARDING_HEADER.fullmatch(name):
            return f"the header {name.title()}"
    if scope["http_version"] == PROXY_HTTP_VERSION:
        return "HTTP/1.0, as nginx speaks it"
    return None
