"""Every setting, once: name, type, default, meaning.

A setting comes from the environment, from a `.env` file, or, if it is a secret, from a file named
by `NAME_FILE`; the environment wins over `.env`. An empty value counts as not set.
"""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy import URL

from gitpip.database_address import (
    SQLITE,
    closest,
    parse_postgres,
    postgres_dsn_of,
    postgres_url_of,
    sqlite_url,
)
from gitpip.errors import SettingsError
from gitpip.model import Backfill, BackfillKind, OnDelete, OnEdit

LONGEST_DURATION = timedelta(days=366)
SHORTEST_PATIENCE = timedelta(seconds=5)
NOT_SET = "(not set)"
SECRET = "[secret]"  # noqa: S105 (what is shown in a secret's place)


@dataclass(frozen=True)
class SettingRow:
    """One setting as people see it: a secret in `value` is masked."""

    name: str
    value: str
    source: str
    """`environment`, `.env`, `file PATH`, `default` or `derived from NAME`."""
    meaning: str


def load_settings(
    environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")
) -> "Settings":
    """Read every setting from `environ` (the process's own if None) and `env_file`, if it exists.

    Raises SettingsError with one line for each fault: the setting, its value (masked if secret)
    and what would be right.
    """
    layers: list[tuple[str, Mapping[str, str]]] = [
        ("environment", os.environ if environ is None else environ)
    ]
    faults: list[str] = []
    if env_file is not None:
        try:
            layers.append((str(env_file), _read_env_file(env_file)))
        except (OSError, UnicodeError) as error:
            faults.append(f"{env_file}: can't be read ({_reason(error)})")
    layers = [(source, _without_service_links(layer)) for source, layer in layers]
    found = {name: setting for name in _fields() if (setting := _find(name, layers, faults))}
    for source, layer in layers:
        faults += _unknown(layer, source)
    settings = None
    try:
        settings = Settings.model_validate(
            {name: setting.value for name, setting in found.items()}
            | {"sources": {name: setting.source for name, setting in found.items()}}
        )
    except ValidationError as error:
        faults += _faults(error, found)
    if settings is None or faults:
        raise SettingsError(faults)
    return settings


def describe(settings: "Settings") -> list[SettingRow]:
    """Every setting in the order of its declaration, for people: secrets are masked."""
    derived = {
        "PIPEDRIVE_API_URL": "PIPEDRIVE_ORG" if settings.pipedrive_org else None,
        "GITHUB_GRAPHQL_URL": "GITHUB_API_URL",
        "GITPIP_DATABASE_URL": "GITPIP_DATA_DIR",
    }
    rows = []
    for name, (attribute, meaning) in _fields().items():
        origin = derived.get(name)
        source = settings.sources.get(name) or (f"derived from {origin}" if origin else "default")
        value = _shown(getattr(settings, attribute))
        if name == "POSTGRES_CONNECTION_STRING" and settings.postgres_connection_string:
            value = settings.masked_database_url
        if name == "GITPIP_DATABASE_URL":
            value = settings.masked_database_url
            if settings.postgres_connection_string:
                source = "derived from POSTGRES_CONNECTION_STRING"
        rows.append(SettingRow(name, value, source, meaning))
    return rows


def parse_duration(text: str) -> timedelta:
    """Read `45s`, `10m`, `3h`, `1h30m`, plain seconds, or ISO 8601 (`PT3H`).

    ValueError says what is wrong, also of what is not above zero or longer than 366 days.
    """
    text = text.strip()
    try:
        if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text, re.ASCII):
            duration = timedelta(seconds=float(text))
        elif units := re.fullmatch(
            r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,6})?)s)?",
            text,
            re.ASCII,
        ):
            days, hours, minutes, seconds = (float(number or 0) for number in units.groups())
            duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        else:
            duration = TypeAdapter(timedelta).validate_python(text)
    except (ValidationError, OverflowError):
        raise ValueError(f"not a duration; {_DURATIONS}") from None
    if duration <= timedelta(0):
        raise ValueError(f"not longer than zero; {_DURATIONS}")
    if duration > LONGEST_DURATION:
        raise ValueError(f"longer than {LONGEST_DURATION.days} days; {_DURATIONS}")
    return duration


def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` reads it back: `3h`, `1h30m`, `0.25s`."""
    minutes, rest = divmod(duration, timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    counted = zip((days, hours, minutes), "dhm", strict=True)
    parts = [f"{number}{unit}" for number, unit in counted if number]
    if rest or not parts:
        seconds = f"{rest.seconds}.{rest.microseconds:06}"
        parts.append(f"{seconds.rstrip('0').rstrip('.')}s")
    return "".join(parts)


_DURATIONS = "something like 45s, 10m, 3h, 1h30m, 90 (seconds) or PT3H would be right"
_TOKEN_RULE = "a token is printable ASCII without spaces, as the vendor shows it"  # noqa: S105
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _token(secret: SecretStr | None) -> SecretStr | None:
    if secret and not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
        raise ValueError(f"holds a space, a line break or a character outside ASCII; {_TOKEN_RULE}")
    return secret


def _organization(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", text):
        raise ValueError(
            "not a company domain; the part before .pipedrive.com would be right:"
            " letters, digits and hyphens"
        )
    return text.lower()


def _api_url(text: str) -> str:
    """An http(s) address without a trailing slash, to which nobody else can listen."""
    example = "something like https://api.example.com would be right"
    try:
        parts = urlsplit(text)
        port_given = parts.port is not None
    except ValueError as error:
        raise ValueError(f"not an address ({error}); {example}") from None
    if not re.fullmatch(r"[!-~]+", text) or parts.scheme not in ("https", "http"):
        raise ValueError(f"not an address that starts with https://; {example}")
    if not parts.hostname or (parts.netloc.endswith(":") and not port_given):
        raise ValueError(f"an address without a host; {example}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"an address with a user, a query or a fragment; {example}")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError(
            "http would send a token in clear; https:// would be right, or http:// on this machine"
        )
    return text.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_%-]+", text):
        raise ValueError("not a host; an address like 127.0.0.1, ::1 or 0.0.0.0 would be right")
    return text


def _port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or int(text) > 65535:  # noqa: PLR2004
        raise ValueError("not a port; a number from 1 to 65535 would be right (0 for any free one)")
    return int(text)


def _patience(text: str) -> timedelta:
    patience = parse_duration(text)
    if patience < SHORTEST_PATIENCE:
        shortest = format_duration(SHORTEST_PATIENCE)
        raise ValueError(f"too short to tell anything; {shortest} or more would be right")
    return patience


def _folder(text: str) -> Path:
    try:
        folder = Path(text).expanduser().absolute()
        if folder.exists() and not folder.is_dir():
            raise ValueError("not a folder; a folder that exists or can be made would be right")
    except (RuntimeError, OSError) as error:
        raise ValueError(f"not a usable folder ({_reason(error)}); name another") from None
    return folder


def _backfill(text: str) -> Backfill:
    backfill = Backfill.parse(text)
    if backfill.since and backfill.since > datetime.now(UTC):
        raise ValueError("a date in the future; a past date like since:2026-01-31 would be right")
    return backfill


def _on_or_off(text: str) -> bool:
    chosen = {"on": True, "off": False}.get(text.lower())
    if chosen is None:
        raise ValueError("neither; on or off would be right")
    return chosen


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ValueError("not a share; a number above 0 and up to 1, like 0.8, would be right")
    return share


def _on_edit(text: str) -> OnEdit:
    return OnEdit(_one_of(text, OnEdit))


def _on_delete(text: str) -> OnDelete:
    return OnDelete(_one_of(text, OnDelete))


def _one_of(text: str, choices: Iterable[str]) -> str:
    if text.lower() not in list(choices):
        raise ValueError(f"none of the choices; one of {', '.join(choices)} would be right")
    return text.lower()


def _log_level(text: str) -> str:
    if text.upper() not in _LOG_LEVELS:
        raise ValueError(f"not a level; one of {', '.join(_LOG_LEVELS)} would be right")
    return text.upper()


def _log_format(text: str) -> str:
    if text.lower() not in ("console", "json"):
        raise ValueError("not a format; console or json would be right")
    return text.lower()


def _connection_string(secret: SecretStr | None) -> SecretStr | None:
    if secret:
        parse_postgres(secret.get_secret_value())
    return secret


def _database(secret: SecretStr | None) -> SecretStr | None:
    if secret:
        text = secret.get_secret_value()
        sqlite_url(text) if SQLITE.match(text) else parse_postgres(text)
    return secret


class Settings(BaseSettings):
    """Every setting with its type, default and meaning; made by `load_settings`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=False
    )

    pipedrive_token: Annotated[SecretStr | None, AfterValidator(_token)] = Field(
        None,
        alias="PIPEDRIVE_TOKEN",
        description="Pipedrive's API token; without it nothing is published",
    )
    pipedrive_org: Annotated[str | None, BeforeValidator(_organization)] = Field(
        None, alias="PIPEDRIVE_ORG", description="the company's part of COMPANY.pipedrive.com"
    )
    pipedrive_api_url: Annotated[str, BeforeValidator(_api_url)] = Field(
        default_factory=lambda earlier: (
            f"https://{earlier.get('pipedrive_org') or 'api'}.pipedrive.com/api"
        ),
        alias="PIPEDRIVE_API_URL",
        description="Pipedrive's API; /v1/... and /v2/... are appended",
    )
    github_token: Annotated[SecretStr | None, AfterValidator(_token)] = Field(
        None, alias="GITHUB_TOKEN", description="GitHub's token; without it 60 requests an hour"
    )
    github_api_url: Annotated[str, BeforeValidator(_api_url)] = Field(
        "https://api.github.com", alias="GITHUB_API_URL", description="GitHub's REST API"
    )
    github_graphql_url: Annotated[str, BeforeValidator(_api_url)] = Field(
        default_factory=lambda earlier: _graphql_url(earlier.get("github_api_url", "")),
        alias="GITHUB_GRAPHQL_URL",
        description="GitHub's GraphQL API",
    )
    postgres_connection_string: Annotated[SecretStr | None, AfterValidator(_connection_string)] = (
        Field(
            None,
            alias="POSTGRES_CONNECTION_STRING",
            description="the PostgreSQL to use; wins over GITPIP_DATABASE_URL",
        )
    )
    data_dir: Annotated[Path, BeforeValidator(_folder)] = Field(
        default_factory=lambda: platformdirs.user_data_path("gitpip", appauthor=False),
        alias="GITPIP_DATA_DIR",
        description="the folder of the SQLite database",
    )
    chosen_database: Annotated[SecretStr | None, AfterValidator(_database)] = Field(
        None, alias="GITPIP_DATABASE_URL", description="the database, SQLite or PostgreSQL"
    )
    database_wait: Annotated[timedelta, BeforeValidator(parse_duration)] = Field(
        timedelta(seconds=60),
        alias="GITPIP_DATABASE_WAIT",
        description="how long a start waits for a PostgreSQL that can't be reached",
    )
    host: Annotated[str, BeforeValidator(_host)] = Field(
        "127.0.0.1", alias="GITPIP_HOST", description="the address to listen on"
    )
    port: Annotated[int, BeforeValidator(_port)] = Field(
        8080, alias="GITPIP_PORT", description="the port to listen on; 0 takes any free one"
    )
    check_interval: Annotated[timedelta, BeforeValidator(parse_duration)] = Field(
        timedelta(hours=3),
        alias="GITPIP_CHECK_INTERVAL",
        description="how often each tracked user is looked at",
    )
    feed: Annotated[bool, BeforeValidator(_on_or_off)] = Field(
        True,
        alias="GITPIP_FEED",
        description="whether GitHub's public feed is read every minute, on or off; needs a token",
    )
    github_share: Annotated[float, BeforeValidator(_share)] = Field(
        0.8,
        alias="GITPIP_GITHUB_SHARE",
        description="how much of GitHub's limits is used, above 0 and up to 1;"
        " the token's owner keeps the rest",
    )
    on_edit: Annotated[OnEdit, BeforeValidator(_on_edit)] = Field(
        OnEdit.IGNORE,
        alias="GITPIP_ON_EDIT",
        description="what an edited file does in Pipedrive: ignore, update (its note),"
        " or new (another activity)",
    )
    on_delete: Annotated[OnDelete, BeforeValidator(_on_delete)] = Field(
        OnDelete.IGNORE,
        alias="GITPIP_ON_DELETE",
        description="what a deleted file does in Pipedrive: ignore, or note (its note says so)",
    )
    backfill: Annotated[Backfill, BeforeValidator(_backfill)] = Field(
        Backfill(BackfillKind.ALL),
        alias="GITPIP_BACKFILL",
        description="which gists from before a user was added are published:"
        " all, none, latest:N or since:DATE",
    )
    http_timeout: Annotated[timedelta, BeforeValidator(parse_duration)] = Field(
        timedelta(seconds=20),
        alias="GITPIP_HTTP_TIMEOUT",
        description="the longest any one outgoing request may take;"
        " publishing's waits are derived from it",
    )
    health_patience: Annotated[timedelta, BeforeValidator(_patience)] = Field(
        default_factory=lambda earlier: max(
            timedelta(minutes=3), 6 * earlier.get("http_timeout", timedelta(0))
        ),
        alias="GITPIP_HEALTH_PATIENCE",
        description="how long no work may come further before /health says so",
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_log_level)
    ] = Field("INFO", alias="GITPIP_LOG_LEVEL", description="the least severity that is logged")
    log_format: Annotated[Literal["console", "json"], BeforeValidator(_log_format)] = Field(
        default_factory=lambda: "console" if sys.stderr and sys.stderr.isatty() else "json",
        alias="GITPIP_LOG_FORMAT",
        description="console for people (the default on a terminal), json for machines",
    )
    sources: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """Where each setting that was given came from, by its name."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` found: pydantic's sources don't say where a value is from."""
        return (init_settings,)

    @property
    def database_url(self) -> str:
        """The database for SQLAlchemy: `sqlite+aiosqlite:///...` or `postgresql+asyncpg://...`.

        Can hold a password: show `masked_database_url` instead.
        """
        url = self._sqlite_address or postgres_url_of(self._postgres_keywords)
        return url.render_as_string(hide_password=False)

    @property
    def postgres_dsn(self) -> str | None:
        """The same database for `asyncpg.connect`, with its password; None for SQLite."""
        return None if self._sqlite_address else postgres_dsn_of(self._postgres_keywords)

    @property
    def masked_database_url(self) -> str:
        """The database for people."""
        if self._sqlite_address:
            return self._sqlite_address.render_as_string(hide_password=True)
        hidden = {
            name: "SECRET" if name in ("password", "sslpassword") else value
            for name, value in self._postgres_keywords.items()
        }
        shown = postgres_dsn_of(hidden).replace(":SECRET@", f":{SECRET}@", 1)
        return shown.replace("sslpassword=SECRET", f"sslpassword={SECRET}", 1)

    @property
    def reads_feed(self) -> bool:
        """Whether the public feed is read; without a token its requests would be missed."""
        return self.feed and self.github_token is not None

    @property
    def capacity(self) -> int:
        """How many users can be looked at in each check interval, within our share of the limits.

        With a token a point tells of fifty users, and there are 5,000 an hour; without one a
        request tells of one user, and there are 60.
        """
        an_hour = 5_000 * 50 if self.github_token else 60
        hours = self.check_interval / timedelta(hours=1)
        return int(an_hour * self.github_share * hours)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown or logged: tokens, passwords and addresses that hold one."""
        given = [self.pipedrive_token, self.github_token]
        texts = [secret.get_secret_value() for secret in given if secret]
        if not self._sqlite_address:
            keywords = self._postgres_keywords
            texts += [keywords[name] for name in ("password", "sslpassword") if name in keywords]
        return tuple(texts)

    @cached_property
    def _database_text(self) -> str | None:
        chosen = self.postgres_connection_string or self.chosen_database
        return chosen.get_secret_value() if chosen else None

    @cached_property
    def _sqlite_address(self) -> URL | None:
        text = self._database_text
        if text is None:
            return URL.create("sqlite+aiosqlite", database=str(self.data_dir / "gitpip.db"))
        return sqlite_url(text) if SQLITE.match(text) else None

    @cached_property
    def _postgres_keywords(self) -> dict[str, str]:
        return parse_postgres(self._database_text or "")


def _graphql_url(api_url: str) -> str:
    """An Enterprise Server has `https://HOST/api/v3` and `https://HOST/api/graphql`."""
    return f"{api_url.removesuffix('/v3') if api_url.endswith('/api/v3') else api_url}/graphql"


@dataclass(frozen=True)
class _Found:
    value: str
    source: str


def _fields() -> dict[str, tuple[str, str]]:
    """Of each setting by its name: the attribute and the meaning."""
    return {
        field.alias: (attribute, field.description or "")
        for attribute, field in Settings.model_fields.items()
        if field.alias
    }


def _secret_names() -> set[str]:
    fields = Settings.model_fields.values()
    return {
        field.alias for field in fields if field.alias and SecretStr in get_args(field.annotation)
    }


def _read_env_file(path: Path) -> dict[str, str]:
    values = DotEnvSettingsSource(Settings, env_file=path, case_sensitive=True).env_vars
    return {name: value for name, value in values.items() if value is not None}


def _without_service_links(layer: Mapping[str, str]) -> dict[str, str]:
    """Leave out what Kubernetes sets by itself for a service called gitpip.

    GITPIP_SERVICE_HOST, GITPIP_PORT=tcp://..., GITPIP_PORT_8080_TCP and so on:
    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    hosts = re.compile(r"(GITPIP(?:_[A-Z0-9_]+)?)_SERVICE_HOST")
    links = [match[1] for name in layer if (match := hosts.fullmatch(name))]
    return {
        name: value
        for name, value in layer.items()
        if not any(
            name.startswith((f"{link}_SERVICE_", f"{link}_PORT_"))
            or (name == f"{link}_PORT" and re.match(r"(tcp|udp|sctp)://", value))
            for link in links
        )
    }


def _find(
    name: str, layers: Iterable[tuple[str, Mapping[str, str]]], faults: list[str]
) -> _Found | None:
    """The value of one setting in the first layer that has it; faults are added to `faults`."""
    for source, layer in layers:
        value = layer.get(name, "").strip()
        file = layer.get(f"{name}_FILE", "").strip() if name in _secret_names() else ""
        if value and file:
            faults.append(f"{name} and {name}_FILE are both set ({source}): one would be right")
            return None
        if value:
            return _Found(value, source)
        if file:
            return _find_in_file(f"{name}_FILE", file, faults)
    return None


def _find_in_file(name: str, file: str, faults: list[str]) -> _Found | None:
    try:
        value = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        faults.append(
            f"{name}={_one_line(file)}: can't be read ({_reason(error)});"
            " a text file with only the secret would be right"
        )
        return None
    if not value:
        faults.append(
            f"{name}={_one_line(file)}: the file is empty;"
            " a text file with only the secret would be right"
        )
        return None
    return _Found(value, f"file {file}")


def _unknown(layer: Mapping[str, str], source: str) -> list[str]:
    known = {*_fields(), *(f"{name}_FILE" for name in _secret_names())}
    return [
        f"{_one_line(name)}: no such setting ({source}){closest(name.upper(), known)}"
        for name, value in layer.items()
        if name.upper().startswith("GITPIP_") and name not in known and value.strip()
    ]


def _faults(error: ValidationError, found: Mapping[str, _Found]) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        name = str(fault["loc"][0])
        if name not in found:
            continue  # a default that could not be derived from a wrong value, told already
        value = (
            SECRET if name in _secret_names() else _one_line(_without_password(found[name].value))
        )
        problem = fault.get("ctx", {}).get("error", fault["msg"])
        lines.append(f"{name}={value} ({found[name].source}): {problem}")
    return lines


def _without_password(text: str) -> str:
    return re.sub(r"//.*@", f"//{SECRET}@", text)


def _one_line(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)
    return shown if len(shown) <= 100 else f"{shown[:100]}..."  # noqa: PLR2004


def _shown(value: object) -> str:
    match value:
        case None:
            return NOT_SET
        case SecretStr():
            return SECRET
        case timedelta():
            return format_duration(value)
        case bool():
            return "on" if value else "off"
        case _:
            return str(value)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "not UTF-8 text"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
