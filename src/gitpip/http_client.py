"""The client for outgoing requests: proxies, and trusted certificate authorities."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.request import getproxies, proxy_bypass

import httpcore2
import httpx2

from gitpip.errors import EnvironmentUnusable
from gitpip.vendor_values import utc, words
from gitpip.version import VERSION

_PROXIES = {"https": "HTTPS_PROXY", "all": "ALL_PROXY"}


class Origin(NamedTuple):
    """The target of a request; `port` is None for the default of the scheme."""

    scheme: str
    host: str
    port: int | None


def origin_of(url: str) -> Origin:
    """Return the target of a request to this URL, read as the request will read it.

    Raises httpx2.InvalidURL.
    """
    try:
        parsed = httpx2.URL(url)
    except ValueError as error:
        raise httpx2.InvalidURL(str(error)) from error
    if parsed.userinfo:
        raise httpx2.InvalidURL("it contains a user or a password")
    return Origin(parsed.scheme, parsed.host, parsed.port)


def client(*, timeout: float) -> httpx2.AsyncClient:
    """Return a client that follows no redirect, with the environment's proxies and authorities.

    `timeout` is in seconds, for each read and write; connecting has nine tenths of it.

    HTTPS_PROXY, ALL_PROXY and NO_PROXY name the proxies; SSL_CERT_FILE or SSL_CERT_DIR name trusted
    authorities instead of the system's own. Raises EnvironmentUnusable.
    """
    for scheme in _PROXIES:
        proxy_for(scheme)
    return _Client(
        headers={"User-Agent": f"gitpip/{VERSION}"},
        verify=_trusting(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        # Settings allow http on this machine alone, which no proxy can reach.
        mounts={"http://": None},
        # If it is cancelled from outside at the same time, httpcore2 2.16 leaves a handshake's
        # socket open.
        timeout=httpx2.Timeout(timeout, connect=0.9 * timeout),
        follow_redirects=False,
    )


class _Client(httpx2.AsyncClient):
    """A client that closes all its connections, even if it is cancelled while doing so.

    httpcore2 2.16 closes one connection after the other, and leaves the rest open when the task is
    cancelled: its shield withstands anyio's cancellations, not asyncio's.
    """

    async def aclose(self) -> None:
        closing = asyncio.create_task(super().aclose())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise


USER_TIMEOUT = timedelta(seconds=30)
"""The age of unacknowledged data at which its connection ends (TCP_USER_TIMEOUT).

Without it Linux continues to send an abandoned request for a quarter of an hour (tcp_retries2 in
tcp(7)), and it could arrive after it was sent again.
"""


class Sending:
    """Follows a request while it is sent. Its `trace` must be the extension of that name."""

    def __init__(self) -> None:
        self.begun = False
        """Whether anything of the request can have arrived. Before that, a time-out means the same
        as a refused connection."""

    async def trace(self, event: str, told: Mapping[str, object]) -> None:
        """Note the events of the transport, and limit how long sent data can live."""
        if event.endswith("connect_tcp.complete"):
            _limit_retransmissions(told["return_value"])
        elif event.endswith("send_request_headers.started"):
            # A proxy is asked for a tunnel before anything is sent through it.
            method = getattr(told.get("request"), "method", b"")
            self.begun = self.begun or method != b"CONNECT"


def _limit_retransmissions(stream: object) -> None:
    if isinstance(stream, httpcore2.AsyncNetworkStream) and hasattr(socket, "TCP_USER_TIMEOUT"):
        connected = stream.get_extra_info("socket")
        milliseconds = int(USER_TIMEOUT / timedelta(milliseconds=1))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def proxy_for(scheme: str) -> httpx2.URL | None:
    """Return the environment's proxy for a scheme or for `all`; it may hold a password.

    Raises EnvironmentUnusable.
    """
    text = getproxies().get(scheme)
    if not text:
        return None
    try:
        url = httpx2.URL(text if "://" in text else f"http://{text}")
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise EnvironmentUnusable(
            f"{_PROXIES[scheme]}: must be an HTTP proxy, e.g. http://proxy.example.com:3128"
        )
    return url


def route(url: str) -> str:
    """Return the route of a request to this URL, in words without a secret.

    Raises EnvironmentUnusable.
    """
    origin = origin_of(url)
    if origin.scheme == "http":
        return "direct, without TLS"
    proxy = _proxy_to(origin)
    way = f"via proxy {proxy.scheme}://{proxy.netloc.decode()}" if proxy else "direct"
    named = next((n for n in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(n)), None)
    trusted = f"{named}={os.environ[named]}" if named else "the system's authorities"
    return f"{way}, with TLS, trusting {trusted}"


def is_untrusted(error: BaseException) -> bool:
    """Return whether a connection failed because this machine does not trust the certificate."""
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in _causes(error))


def unreachable(error: Exception, url: str) -> str:
    """Return why no connection could be made: the end of a sentence for people, without a secret.

    `error` is what the client raised for a request to this URL, before anything was sent.
    """
    if isinstance(error, httpx2.ProxyError):
        return f"the proxy answered {words(str(error), 200)}"
    said = (_in_words(one, url) for one in _causes(error))
    last = words(str(error), 200).rstrip(".") or f"the connection to {_first_hop(url)} failed"
    return next(filter(None, said), last)


def _in_words(one: BaseException, url: str) -> str:
    """Return the words for an error of the system, OpenSSL or a time limit; empty for others."""
    host, way = httpx2.URL(url).netloc.decode(), _first_hop(url)
    match one:
        case socket.gaierror():
            why = f"the name {way} can't be resolved"
        case ConnectionRefusedError():
            why = f"{way} refuses the connection"
        case ssl.SSLCertVerificationError():
            why = f"the certificate of {host} is not trusted: {words(one.verify_message, 200)}"
        case ssl.SSLError() | ConnectionResetError():
            why = f"{host} ended the connection before TLS was set up"
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            why = f"there is no route to {way}"
        case TimeoutError() | httpx2.TimeoutException():
            why = f"{way} did not answer in time"
        case _:
            why = ""
    return why


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all its causes."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    if before := error.__cause__ or error.__context__:
        yield from _causes(before)


def _first_hop(url: str) -> str:
    """Return the target of the connection for a request: the host, or the proxy before it."""
    proxy = _proxy_to(origin_of(url))
    return proxy.netloc.decode() if proxy else httpx2.URL(url).netloc.decode()


def _proxy_to(origin: Origin) -> httpx2.URL | None:
    if origin.scheme == "http" or proxy_bypass(origin.host):
        return None
    return proxy_for("https") or proxy_for("all")


def proxy_passwords() -> tuple[str, ...]:
    """Return the secret parts of the proxies' addresses. Raises EnvironmentUnusable."""
    proxies = [proxy_for(scheme) for scheme in _PROXIES]
    return tuple(proxy.password for proxy in proxies if proxy and proxy.password)


def http_date(text: str | None) -> datetime | None:
    """Return the time of a header (UTC), or None if it is missing or not a time."""
    try:
        date = parsedate_to_datetime(text) if text else None
    except (ValueError, OverflowError, IndexError):  # see tests/test_vendor_values.py
        return None
    if date is None:
        return None
    return utc(date if date.tzinfo else date.replace(tzinfo=UTC))


@lru_cache
def _trusting(file: str | None, folder: str | None) -> ssl.SSLContext:
    name, path = ("SSL_CERT_FILE", file) if file else ("SSL_CERT_DIR", folder)
    try:
        if folder and not file:
            next(Path(folder).iterdir(), None)  # OpenSSL treats a missing one as empty
        return httpx2.create_ssl_context()
    except OSError as error:  # ssl.SSLError is one
        reason = "it contains no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise EnvironmentUnusable(
            f"{name}={path}: must be certificates in PEM format ({reason})"
        ) from error
