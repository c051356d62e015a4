"""How requests go out: through which proxy, and trusting whom."""

import os
import ssl
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from urllib.request import getproxies

import httpx2

from gitpip.errors import EnvironmentUnusable

_PROXIES = {"https": "HTTPS_PROXY", "http": "HTTP_PROXY", "all": "ALL_PROXY"}


class Origin(NamedTuple):
    """Where a request goes; `port` is None for the scheme's own."""

    scheme: str
    host: str
    port: int | None


def origin_of(url: str) -> Origin:
    """Where a request to this URL would go, read as the request will read it.

    Raises httpx2.InvalidURL.
    """
    parsed = httpx2.URL(url)
    if parsed.userinfo:
        raise httpx2.InvalidURL("it holds a user or a password")
    return Origin(parsed.scheme, parsed.host, parsed.port)


def client(*, timeout: float) -> httpx2.AsyncClient:
    """A client that follows no redirect, with the proxies and authorities of the environment.

    HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name the proxies; SSL_CERT_FILE or SSL_CERT_DIR
    name who is trusted instead of the system's own authorities. Raises EnvironmentUnusable.
    """
    for scheme in _PROXIES:
        proxy_for(scheme)
    return httpx2.AsyncClient(
        headers={"User-Agent": f"gitpip/{version('gitpip')}"},
        verify=_trusting(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        timeout=timeout,
        follow_redirects=False,
    )


def proxy_for(scheme: str) -> httpx2.URL | None:
    """The proxy that the environment names for a scheme, or for `all`; it may hold a password.

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
            f"{_PROXIES[scheme]}: not an HTTP proxy; something like"
            " http://proxy.example.com:3128 would be right"
        )
    return url


def proxy_passwords() -> tuple[str, ...]:
    """What of the proxies' addresses must never be shown. Raises EnvironmentUnusable."""
    proxies = [proxy_for(scheme) for scheme in _PROXIES]
    return tuple(proxy.password for proxy in proxies if proxy and proxy.password)


@lru_cache
def _trusting(file: str | None, folder: str | None) -> ssl.SSLContext:
    name, path = ("SSL_CERT_FILE", file) if file else ("SSL_CERT_DIR", folder)
    try:
        if folder and not file:
            next(Path(folder).iterdir(), None)  # OpenSSL takes one that is not there for empty
        return httpx2.create_ssl_context()
    except OSError as error:  # ssl.SSLError is one
        reason = "no certificate is in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise EnvironmentUnusable(
            f"{name}={path}: can't be used ({reason}); certificates in PEM format would be right"
        ) from error
