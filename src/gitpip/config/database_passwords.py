"""The sources of the password for a PostgreSQL address without one, by libpq's rules.

https://www.postgresql.org/docs/current/libpq-pgpass.html
https://www.postgresql.org/docs/current/libpq-pgservice.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LOGIN = frozenset({"user", "dbname", "application_name", "options", "target_session_attrs"})
"""Keywords that do not change which server gets the password, or the kind of connection."""


@dataclass(frozen=True)
class PasswordSource:
    """A source that would give a password."""

    name: str
    """The name for people, such as `PGPASSWORD (environment)`."""
    file: Path | None = None
    """The file that holds the password, if one does."""


def password_sources(
    keywords: Mapping[str, str], environ: Mapping[str, str]
) -> Iterator[PasswordSource]:
    """Yield every source that may give an address its password; none if it has its own.

    A part that the address leaves out is assumed to match every line of a password file: a service
    or a variable may add it.
    """
    if "password" in keywords:
        return
    home = _home(environ)
    name = keywords.get("service") or environ.get("PGSERVICE", "")
    section = _service(name, _service_files(keywords, environ, home))
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


def _service_files(
    keywords: Mapping[str, str], environ: Mapping[str, str], home: Path | None
) -> Iterator[Path]:
    """Yield the files that may hold a service. The first one that has it counts."""
    named = keywords.get("servicefile") or environ.get("PGSERVICEFILE")
    if named:
        yield Path(named)
    elif home:
        yield home / ".pg_service.conf"
    if environ.get("PGSYSCONFDIR"):
        yield Path(environ["PGSYSCONFDIR"]) / "pg_service.conf"


def _service(name: str, files: Iterator[Path]) -> _Section | None:
    for file in files:
        section = _section(name, _text(file)) if name else None
        if section is not None:
            return _Section(name, file, section.get("password", ""), section.get("passfile", ""))
    return None


def _section(name: str, text: str) -> dict[str, str] | None:
    """Return what libpq reads of a service, with the first of several values."""
    section: dict[str, str] | None = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            if section is not None:
                break
            section = {} if line.startswith(f"[{name}]") else None
        elif section is not None and not line.startswith("#"):
            keyword, _, value = line.partition("=")
            section.setdefault(keyword.strip(), value.strip())
    return section


def _may_match(file: Path, keywords: Mapping[str, str]) -> bool:
    """Return whether a line of a password file may match: `host:port:database:user:password`."""
    # libpq searches for each of several hosts. The address of a host may stand for its name.
    hosts = keywords.get("host", "").split(",")
    if any(host.startswith("/") for host in hosts):
        hosts.append("localhost")  # the name of the usual folder of sockets
    if "host" in keywords and "hostaddr" in keywords:
        hosts += keywords["hostaddr"].split(",")
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
    # Some readers keep escapes that libpq removes. A match with either is enough to refuse.
    readings = {field.replace("\n", r"\\"), re.sub(r"\\(.)", r"\1", field).replace("\n", "\\")}
    return field == "*" or "" in values or not readings.isdisjoint(values)


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace") if file.is_file() else ""
    except (OSError, ValueError):
        return ""
