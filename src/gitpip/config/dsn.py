"""Addresses of databases: PostgreSQL's many spellings, and SQLite's, made fit for our drivers."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from urllib.parse import parse_qsl, quote, unquote, urlencode

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SQLITE = re.compile(r"sqlite(\+\w+)?:", re.IGNORECASE)


def sqlite_url(text: str) -> URL:
    example = "use something like sqlite:////var/lib/gitpip/gitpip.db"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(f"not an SQLite address; {example}") from None
    if url.drivername not in ("sqlite", "sqlite+aiosqlite") or url.host:
        raise ValueError(f"not an SQLite address; {example}")
    if not url.database or url.database == ":memory:":
        raise ValueError(f"a database in memory would be forgotten at each stop; {example}")
    return url.set(drivername="sqlite+aiosqlite")


_SPELLINGS = "use sqlite:///PATH, postgresql://USER:PASSWORD@HOST/NAME or host=HOST dbname=NAME"
_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_SERVERS = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "gsslib": ("gssapi", "sspi"),
    "target_session_attrs": _SERVERS,
}
_CONNECTION = ("user", "password", "host", "port", "dbname")
_PASSED_ON = (
    *("application_name", "gsslib", "krbsrvname", "options", "passfile", "service"),
    *("sslcert", "sslcrl", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert"),
    *("ssl_max_protocol_version", "ssl_min_protocol_version", "target_session_attrs"),
)
# libpq's own business: asyncpg would hand these to the server, which refuses what it doesn't know.
_LEFT_OUT = (
    *("channel_binding", "client_encoding", "connect_timeout", "fallback_application_name"),
    *("gssdelegation", "gssencmode", "load_balance_hosts", "tcp_user_timeout"),
    *("keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval"),
    *("sslcertmode", "sslcompression", "sslsni"),
)


def parse_postgres(text: str) -> dict[str, str]:
    """A connection string in any of PostgreSQL's spellings, as keywords that asyncpg knows.

    The spellings: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    if re.match(r"[A-Za-z][\w+.-]*:", text):
        keywords = _parse_postgres_url(text)
    else:
        keywords = _parse_postgres_keywords(text)
    known = {*_CONNECTION, *_PASSED_ON, *_LEFT_OUT}
    for keyword in keywords:
        if keyword not in known:
            # Its name is not shown: it may be a piece of a password with a question mark.
            raise ValueError(f"has an unknown parameter{closest(keyword, known)}; {_SPELLINGS}")
    for keyword, choices in _CHOICES.items():
        if keywords.get(keyword) and keywords[keyword] not in choices:
            raise ValueError(f"has a wrong {keyword}; use one of {', '.join(choices)}")
    ports = keywords.get("port", "").split(",")
    hosts = keywords.get("host", "").split(",")
    if any(port and not re.fullmatch(r"\d{1,5}", port, re.ASCII) for port in ports):
        raise ValueError("has a port that is not a number")
    if len(ports) not in (1, len(hosts)):
        raise ValueError("has another number of ports than of hosts")
    return {name: value for name, value in keywords.items() if value and name not in _LEFT_OUT}


def _parse_postgres_url(text: str) -> dict[str, str]:
    match = re.fullmatch(
        r"postgres(?:ql)?(?:\+asyncpg)?://"
        r"(?:(?P<user>[^/?#:@]*)(?::(?P<password>[^/?#]*))?@)?"
        r"(?P<hosts>[^/?#@]*)(?:/(?P<dbname>[^/?#]*))?(?:\?(?P<query>[^#]*))?",
        text,
    )
    if not match:
        if not text.startswith(("postgres://", "postgresql://", "postgresql+asyncpg://")):
            raise ValueError(f"not a database that gitpip knows; {_SPELLINGS}")
        raise ValueError(
            "not a PostgreSQL address; use postgresql://USER:PASSWORD@HOST/NAME,"
            " with each of / ? # @ : in a password percent-encoded"
        )
    hosts, ports = [], []
    for address in match["hosts"].split(","):
        parts = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?", address)
        if not parts:
            raise ValueError("has a wrong host; an IPv6 address stands in [brackets]")
        hosts.append(unquote(parts[1].strip("[]")))
        ports.append(parts[2] or "")
    keywords = {
        name: unquote(match[name]) for name in ("user", "password", "dbname") if match[name]
    } | {"host": ",".join(hosts)}
    if any(ports):
        keywords["port"] = ",".join(port or "5432" for port in ports)
    # libpq takes a plus as a plus, unlike a web form.
    query = dict(parse_qsl((match["query"] or "").replace("+", "%2B")))
    for written, keyword in (("ssl", "sslmode"), ("database", "dbname")):
        if written in query:
            query[keyword] = query.pop(written)
    if query.get("sslmode") == "true":
        query["sslmode"] = "require"
    return keywords | query


def _parse_postgres_keywords(text: str) -> dict[str, str]:
    pair = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?=\s|$)", re.DOTALL)
    keywords = {}
    position = 0
    while position < len(text.rstrip()):
        match = pair.match(text, position)
        if not match:
            raise ValueError(f"not a connection string; {_SPELLINGS}")
        value = match[2]
        if value.startswith("'"):
            value = value[1:-1]
        keywords[match[1]] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        position = match.end()
    return keywords


def _is_single_tcp_host(keywords: Mapping[str, str]) -> bool:
    host = keywords.get("host", "")
    return bool(host) and "," not in host and not host.startswith(("/", "@"))


def postgres_dsn_of(keywords: Mapping[str, str]) -> str:
    """A postgresql:// address for asyncpg; sockets and lists of hosts go into its query."""
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


def postgres_url_of(keywords: Mapping[str, str]) -> URL:
    """The same for SQLAlchemy.

    What its dialect has no words for, such as certificates, asyncpg reads from a `dsn` of its own.
    """
    single = _is_single_tcp_host(keywords)
    in_url = {"dbname"}
    in_url |= {"user", "password"} if "user" in keywords else set()
    in_url |= {"host", "port"} if single else set()
    rest = {name: value for name, value in keywords.items() if name not in in_url}
    return URL.create(
        "postgresql+asyncpg",
        username=keywords.get("user"),
        password=keywords.get("password"),
        host=keywords["host"] if single else None,
        port=int(keywords["port"]) if single and "port" in keywords else None,
        database=keywords.get("dbname"),
        query={"dsn": postgres_dsn_of(rest)} if rest else {},
    )


def place_of(keywords: Mapping[str, str]) -> dict[str, str]:
    """All of an address but the login: two that have this in common lead to one database."""
    # libpq's rule: without a name it is the database that is called like the user.
    by_default = {"dbname": keywords.get("user", "")}
    login = ("user", "password", "sslpassword")
    return by_default | {name: value for name, value in keywords.items() if name not in login}


def closest(name: str, known: Iterable[str]) -> str:
    matches = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""
