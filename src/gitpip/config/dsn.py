"""Addresses of databases: PostgreSQL's spellings, which libpq reads, and SQLite's."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from urllib.parse import quote, urlencode

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from gitpip.validation import any_of

SQLITE = re.compile(r"sqlite(\+\w+)?:", re.IGNORECASE)


def sqlite_url(text: str) -> URL:
    """Return the address of an SQLite file; raises ValueError, with an example, for other texts."""
    example = "e.g. sqlite:////var/lib/gitpip/gitpip.db"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(f"must be an SQLite address, {example}") from None
    if url.drivername not in ("sqlite", "sqlite+aiosqlite") or url.host:
        raise ValueError(f"must be an SQLite address, {example}")
    if not url.database or url.database == ":memory:":
        raise ValueError(
            f"must name a file, {example} (a database in memory is lost when gitpip stops)"
        )
    return url.set(drivername="sqlite+aiosqlite")


_SPELLINGS = "e.g. postgresql://USER:PASSWORD@HOST/NAME, host=HOST dbname=NAME or sqlite:///PATH"
_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_SERVERS = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
# Not the options with their defaults: for these libpq reads the environment and the service file.
_OPTIONS = Conninfo.parse(b"")
# libpq marks what should not be shown while it is typed. Its keys open as much as a password.
SECRET_KEYWORDS = frozenset(
    option.keyword.decode() for option in _OPTIONS if option.dispchar == b"*"
) | {"scram_client_key", "scram_server_key"}
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "gsslib": ("gssapi", "sspi"),
    "target_session_attrs": _SERVERS,
}
# The required parts of an address, so that no piece of a password is taken for a host or a name.
_URL = re.compile(
    r"postgres(?:ql)?://(?:[^/?#:@]*(?::(?P<password>[^/?#]*))?@)?[^/?#@]*(?:/[^/?#]*)?(?:\?[^#]*)?"
)


def parse_postgres(text: str) -> dict[str, str]:
    """Return a connection string in any of PostgreSQL's spellings as libpq's keywords.

    The spellings: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    written = re.sub(r"^postgres(ql)?\+\w+:", "postgresql:", text)  # SQLAlchemy's
    if re.match(r"[A-Za-z][\w+.-]*:", written):
        written = _checked_url(written)
        # asyncpg's words for two of them; libpq knows of the first only `ssl=true`.
        written = re.sub(r"([?&])ssl=(?!true\b)", r"\1sslmode=", written)
        written = re.sub(r"([?&])database=", r"\1dbname=", written)
    try:
        keywords = {name: str(value) for name, value in conninfo_to_dict(written).items()}
    except ProgrammingError as error:
        raise ValueError(_fault(str(error))) from None
    for keyword, choices in _CHOICES.items():
        if keywords.get(keyword) and keywords[keyword] not in choices:
            raise ValueError(
                f"must have {any_of(choices)} as {keyword}, e.g. host=HOST {keyword}={choices[-1]}"
            )
    ports = keywords.get("port", "").split(",")
    hosts = keywords.get("host", "").split(",")
    if any(port and not re.fullmatch(r"\d{1,5}", port, re.ASCII) for port in ports):
        raise ValueError("must have a number as port, e.g. postgresql://HOST:5432/NAME")
    if len(ports) not in (1, len(hosts)):
        raise ValueError("must have one port, or one for each host, e.g. host=A,B port=5432,5433")
    return {name: value for name, value in keywords.items() if value}


def _checked_url(text: str) -> str:
    """Return a URL with each @ in its password encoded: libpq's host would begin at the first."""
    if not text.startswith(("postgres://", "postgresql://")):
        raise ValueError(f"must be a PostgreSQL or SQLite address, {_SPELLINGS}")
    match = _URL.fullmatch(text)
    if not match:
        raise ValueError(
            "must be a PostgreSQL address with each of / ? # @ : in a password percent-encoded,"
            " e.g. postgresql://USER:PASSWORD@HOST/NAME"
        )
    start, end = match.span("password")
    return text[:start] + text[start:end].replace("@", "%40") + text[end:] if start > 0 else text


def _fault(error: str) -> str:
    """Return the fault without libpq's quotations, which may be pieces of a password."""
    if unknown := re.search(r'invalid (?:URI query parameter|connection option)[^"]*"(.*)"', error):
        known = [option.keyword.decode() for option in _OPTIONS]
        return f"must have only known parameters{_closest(unknown[1], known)}, {_SPELLINGS}"
    if "IPv6" in error or "]" in error:
        return "must have an IPv6 address in brackets, e.g. postgresql://[::1]/NAME"
    return f"must be a connection string, {_SPELLINGS}"


def _is_single_tcp_host(keywords: Mapping[str, str]) -> bool:
    host = keywords.get("host", "")
    return bool(host) and "," not in host and not host.startswith(("/", "@"))


def postgres_dsn_of(keywords: Mapping[str, str]) -> str:
    """Return a postgresql:// address, with sockets and lists of hosts in its query."""
    in_path = {"user", "password", "dbname"}
    address = ""
    if {"user", "password"} & keywords.keys():
        password = quote(keywords.get("password", ""), safe="")
        address = quote(keywords.get("user", ""), safe="") + (f":{password}" if password else "")
        address += "@"
    if _is_single_tcp_host(keywords):
        in_path |= {"host", "port"}
        host = keywords["host"]
        address += f"[{quote(host, safe=':')}]" if ":" in host else quote(host, safe="")
        address += f":{keywords['port']}" if "port" in keywords else ""
    name = quote(keywords.get("dbname", ""), safe="")
    rest = {name: value for name, value in keywords.items() if name not in in_path}
    query = f"?{urlencode(rest, quote_via=quote, safe='/')}" if rest else ""
    return f"postgresql://{address}{f'/{name}' if name else ''}{query}"


def place_of(keywords: Mapping[str, str]) -> dict[str, str]:
    """Return all of an address except the login. Two with the same place lead to one database."""
    # libpq's rule: without a name it is the database that is called like the user.
    by_default = {"dbname": keywords.get("user", "")}
    login = {"user", *SECRET_KEYWORDS}
    return by_default | {name: value for name, value in keywords.items() if name not in login}


def _closest(name: str, known: Iterable[str]) -> str:
    matches = get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""
