"""Where a PostgreSQL address without a password gets one from: libpq's rules, as asyncpg has them.

https://www.postgresql.org/docs/current/libpq-pgpass.html
https://www.postgresql.org/docs/current/libpq-pgservice.html
"""

import re
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path

LOGIN = frozenset({"user", "dbname", "application_name", "options", "target_session_attrs"})
"""Keywords that don't change which server gets the password, or over what kind of connection."""


@dataclass(frozen=True)
class PasswordSource:
    """One place that would give a password."""

    name: str
    """What people are told, e.g. `PGPASSWORD (environment)`."""
    file: Path | None = None
    """The file that holds the password, if one does."""


def password_sources(
    keywords: Mapping[str, str], environ: Mapping[str, str]
) -> Iterator[PasswordSource]:
    """Every source that may give an address its password; none if it has its own.

    What the address leaves open is taken to fit every line of a password file: a service or a
    variable may add it.
    """
    if "password" in keywords:
        return
    home = _home(environ)
    section = _service(keywords.get("service") or environ.get("PGSERVICE", ""), environ, home)
    if section and section.password:
        yield PasswordSource(f"the password of the service {section.name}", section.file)
    if environ.get("PGPASSWORD"):
        yield PasswordSource("PGPASSWORD (environment)")
    named = keywords.get("passfile") or (section.passfile if section else "")
    file = named or environ.get("PGPASSFILE") or (home and str(home / ".pgpass"))
    if file and _may_match(Path(file), keywords):
        yield PasswordSource(f"the password in {file}", Path(file))


@dataclass(frozen=True)
class _Section:
    name: str
    file: Path
    password: str
    passfile: str


def _home(environ: Mapping[str, str]) -> Path | None:
    try:
        return Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:  # this user has none
        return None


def _service(name: str, environ: Mapping[str, str], home: Path | None) -> _Section | None:
    named = environ.get("PGSERVICEFILE") or (home and home / ".pg_service.conf")
    if not name or not named:
        return None
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_text(Path(named)))
    except ConfigError:  # asyncpg can't read it either
        return None
    if name not in parser:
        return None
    section = parser[name]
    password, passfile = section.get("password", ""), section.get("passfile", "")
    return _Section(name, Path(named), password, passfile)


def _may_match(file: Path, keywords: Mapping[str, str]) -> bool:
    """Whether a line of a password file may fit: `host:port:database:user:password`."""
    # asyncpg takes the first line that fits any of several hosts, and sends its password to all.
    hosts = [
        "localhost" if host.startswith("/") else host
        for host in keywords.get("host", "").split(",")
    ]
    wanted = (
        frozenset(hosts),
        frozenset(keywords.get("port", "").split(",")),
        frozenset({keywords.get("dbname", "")}),
        frozenset({keywords.get("user", "")}),
    )
    for line in map(str.strip, _text(file).splitlines()):
        fields = re.split(r"(?<!\\):", line.replace(r"\\", "\n"), maxsplit=4)
        if line.startswith("#") or len(fields) != len(wanted) + 1:
            continue
        if all(map(_fits, fields[:-1], wanted)):
            return True
    return False


def _fits(field: str, values: frozenset[str]) -> bool:
    # asyncpg leaves some escapes in place that libpq removes.
    readings = {field.replace("\n", r"\\"), re.sub(r"\\(.)", r"\1", field).replace("\n", "\\")}
    return field == "*" or "" in values or not readings.isdisjoint(values)


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace") if file.is_file() else ""
    except (OSError, ValueError):
        return ""
