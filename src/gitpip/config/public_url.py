"""The address under which browsers and feed readers reach the service."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

EXAMPLE = "e.g. https://gitpip.example.com or https://example.com/gitpip"
DEFAULT_PORTS = {"http": 80, "https": 443}
OWN_SEGMENTS = frozenset(
    {
        *(
            "adoption",
            "api",
            "audit",
            "audits",
            "capacity",
            "checks",
            "docs",
            "feed.atom",
            "feed.json",
            "feeds",
            "gist",
            "health",
        ),
        *(
            "imports",
            "inbox",
            "keys",
            "latestgists",
            "metrics",
            "openapi.json",
            "opt-outs",
            "people",
        ),
        *(
            "publications",
            "ready",
            "repairs",
            "rules",
            "undo",
            "undos",
            "seen",
            "settings",
            "setup",
            "sign-in",
            "sign-out",
            "static",
            "status",
        ),
        *("status-page", "users"),
    }
)
"""The beginnings of our own paths. A prefix must not be one of them: some proxies remove the prefix
and some do not, so `/people/people` could mean two pages."""


@dataclass(frozen=True)
class PublicUrl:
    """An address like `https://example.com/gitpip`, in parts."""

    scheme: str
    host: str
    """The host in lower case, an IPv6 address without its brackets."""
    origin: str
    """`https://example.com`, as browsers send it in the header Origin: no default port."""
    prefix: str
    """The path below which everything is, without a trailing slash; empty for the root."""

    def __str__(self) -> str:
        """Return the complete address, without a trailing slash."""
        return self.origin + self.prefix


def parse_public_url(text: str) -> PublicUrl:
    """Return the parts of an address. ValueError says what is wrong, and what is accepted."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(
            f"must be an address with a host and, if it has one, a port up to 65535, {EXAMPLE}"
        ) from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"must begin with https:// or http://, {EXAMPLE}")
    host = parts.hostname or ""
    if "@" in parts.netloc or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]+", host):
        raise ValueError(
            f"must have a host name or an address after ://, and nothing else there, {EXAMPLE};"
            " a name with other letters is written as xn--..."
        )
    if "?" in text or "#" in text:
        raise ValueError(f"must end with the path, without ? and #, {EXAMPLE}")
    prefix = parts.path.rstrip("/")
    if not re.fullmatch(r"(/(?!\.)[A-Za-z0-9._~-]+)*", prefix):
        raise ValueError(
            "must have a path of letters, digits and the characters - . _ ~ between single"
            f" slashes, {EXAMPLE}"
        )
    first = prefix.partition("/")[2].partition("/")[0]
    if first in OWN_SEGMENTS:
        raise ValueError(f"must have a path that begins with another name than {first}, {EXAMPLE}")
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != DEFAULT_PORTS[parts.scheme]:
        shown += f":{port}"
    return PublicUrl(parts.scheme, host, f"{parts.scheme}://{shown}", prefix)
