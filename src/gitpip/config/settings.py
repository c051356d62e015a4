"""Every setting, declared once: name, type, default and meaning, as in `docs/settings.md`."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

import platformdirs
from limits import RateLimitItem, parse
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import URL

from gitpip.backfill import Backfill, BackfillKind
from gitpip.capacity import REQUESTS_WITHOUT_TOKEN, HourlyLimits, capacity
from gitpip.config import validators
from gitpip.config.dsn import (
    SECRET_KEYWORDS,
    SQLITE,
    parse_postgres,
    place_of,
    postgres_dsn_of,
    sqlite_url,
)
from gitpip.config.public_url import PublicUrl, parse_public_url
from gitpip.digests import REDACTED
from gitpip.model import Anonymous, OnDelete, OnEdit


def _user_data_dir() -> Path | None:
    """Return the folder for the user's data, or None without a home, as in containers."""
    try:
        return platformdirs.user_data_path("gitpip", appauthor=False)
    except RuntimeError:
        return None


class Settings(BaseSettings):
    """Every setting with its type, default and meaning; made by `load_settings`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=False,
        arbitrary_types_allowed=True,
    )

    pipedrive_token: Annotated[SecretStr | None, AfterValidator(validators.token)] = Field(
        None,
        alias="PIPEDRIVE_TOKEN",
        description="API token of Pipedrive; publishing waits without it",
    )
    pipedrive_org: Annotated[str | None, BeforeValidator(validators.organization)] = Field(
        None,
        alias="PIPEDRIVE_ORG",
        description="your company's subdomain at Pipedrive, used in links to deals",
    )
    pipedrive_api_url: Annotated[str, BeforeValidator(validators.api_url)] = Field(
        default_factory=lambda earlier: (
            f"https://{earlier.get('pipedrive_org') or 'api'}.pipedrive.com/api"
        ),
        alias="PIPEDRIVE_API_URL",
        description="address of Pipedrive's API; `/v1/...` and `/v2/...` are appended",
    )
    github_token: Annotated[SecretStr | None, AfterValidator(validators.token)] = Field(
        None,
        alias="GITHUB_TOKEN",
        description="token of GitHub: 5,000 requests an hour instead of 60, and unchanged "
        "lists cost nothing. Use a classic token without any scope: with a "
        "fine-grained one GraphQL shows no gists, so users are checked one by "
        "one",
    )
    github_api_url: Annotated[str, BeforeValidator(validators.api_url)] = Field(
        "https://api.github.com",
        alias="GITHUB_API_URL",
        description="address of GitHub's REST API, or of your Enterprise Server's `/api/v3`",
    )
    github_graphql_url: Annotated[str, BeforeValidator(validators.api_url)] = Field(
        default_factory=lambda earlier: _graphql_url(earlier.get("github_api_url", "")),
        alias="GITHUB_GRAPHQL_URL",
        description="address of GitHub's GraphQL API",
    )
    postgres_connection_string: Annotated[
        SecretStr | None, AfterValidator(validators.connection_string)
    ] = Field(
        None,
        alias="POSTGRES_CONNECTION_STRING",
        description="the PostgreSQL database to use, in any of PostgreSQL's own spellings; "
        "wins over `GITPIP_DATABASE_URL`",
    )
    secrets_dir: Annotated[Path | None, BeforeValidator(validators.secrets_dir)] = Field(
        None,
        alias="GITPIP_SECRETS_DIR",
        description="a folder with a file for each [secret](#secrets), such as `pipedrive-token`",
    )
    data_dir: Annotated[Path | None, BeforeValidator(validators.folder)] = Field(
        default_factory=_user_data_dir,
        alias="GITPIP_DATA_DIR",
        description="the folder of the SQLite database",
    )
    chosen_database: Annotated[SecretStr | None, AfterValidator(validators.database)] = Field(
        None,
        alias="GITPIP_DATABASE_URL",
        description="the database, SQLite or PostgreSQL; used unless "
        "`POSTGRES_CONNECTION_STRING` is set",
    )
    database_wait: Annotated[timedelta, BeforeValidator(validators.parse_duration)] = Field(
        timedelta(seconds=60),
        alias="GITPIP_DATABASE_WAIT",
        description="how long a start waits for a PostgreSQL that can't be reached",
    )
    database_connections: Annotated[int, BeforeValidator(validators.connections)] = Field(
        10,
        alias="GITPIP_DATABASE_CONNECTIONS",
        description="maximum number of connections of one process to PostgreSQL; 3 or more",
    )
    host: Annotated[str, BeforeValidator(validators.host)] = Field(
        "127.0.0.1",
        alias="GITPIP_HOST",
        description="address to listen on; `0.0.0.0` is every IPv4 address, `::` every address",
    )
    port: Annotated[int, BeforeValidator(validators.port)] = Field(
        8080, alias="GITPIP_PORT", description="port to listen on; `0` = any free port"
    )
    public_url: Annotated[PublicUrl | None, BeforeValidator(parse_public_url)] = Field(
        None,
        alias="GITPIP_PUBLIC_URL",
        description="the address at which [a reverse proxy](reverse-proxy.md) serves "
        "gitpip, such as `https://example.com/gitpip`; used in links, feeds, "
        "redirects and cookies",
    )
    admin_key: Annotated[SecretStr | None, AfterValidator(validators.admin_key)] = Field(
        None,
        alias="GITPIP_ADMIN_KEY",
        description="an access key with the role `admin`, besides the keys that are created "
        "by commands; at least 32 characters",
    )
    allow_anonymous: Annotated[Anonymous | None, BeforeValidator(validators.anonymous)] = Field(
        None,
        alias="GITPIP_ALLOW_ANONYMOUS",
        description="what is allowed without an access key: `read` or `all`. If not set, "
        "nothing, except that programs on this machine are operators on "
        "loopback until the first key is created",
    )
    trusted_proxies: Annotated[tuple[str, ...], BeforeValidator(validators.proxies)] = Field(
        ("127.0.0.1", "::1"),
        alias="GITPIP_TRUSTED_PROXIES",
        description="proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` headers are "
        "trusted: addresses and networks, separated by commas",
    )
    request_limit: Annotated[
        RateLimitItem | Literal["off"], BeforeValidator(validators.request_limit)
    ] = Field(
        default_factory=lambda: parse("3000/minute"),
        alias="GITPIP_REQUEST_LIMIT",
        description="how many requests one caller may send to one replica, or `off`",
    )
    check_interval: Annotated[timedelta, BeforeValidator(validators.parse_duration)] = Field(
        timedelta(hours=3),
        alias="GITPIP_CHECK_INTERVAL",
        description="how often each user is checked: `45s`, `10m`, seconds, ISO 8601",
    )
    feed: Annotated[bool, BeforeValidator(validators.on_or_off)] = Field(
        True,
        alias="GITPIP_FEED",
        description="whether GitHub's public feed is read every minute, `on` or `off`; "
        "needs a token",
    )
    github_share: Annotated[float, BeforeValidator(validators.share)] = Field(
        0.8,
        alias="GITPIP_GITHUB_SHARE",
        description="the share of GitHub's limits that gitpip uses, above 0 and up to 1; "
        "the rest is left to the token's owner",
    )
    on_edit: Annotated[OnEdit, BeforeValidator(validators.on_edit)] = Field(
        OnEdit.IGNORE,
        alias="GITPIP_ON_EDIT",
        description="what happens in Pipedrive when a file is edited: `ignore`, `update` "
        "(its note is rewritten, with the date) or `new` (another activity)",
    )
    on_delete: Annotated[OnDelete, BeforeValidator(validators.on_delete)] = Field(
        OnDelete.IGNORE,
        alias="GITPIP_ON_DELETE",
        description="what happens in Pipedrive when a file is deleted: `ignore` or `note` "
        "(its note says so)",
    )
    publish_deleted: Annotated[bool, BeforeValidator(validators.on_or_off)] = Field(
        True,
        alias="GITPIP_PUBLISH_DELETED",
        description="whether a file is published that was deleted, or made secret, after it "
        "was found and before it was sent: it was public. `off` skips it, if a "
        "check notices in time, and sends it, or holds it again, once GitHub "
        "shows it again",
    )
    hold_above: Annotated[int, BeforeValidator(validators.hold_above)] = Field(
        300,
        alias="GITPIP_HOLD_ABOVE",
        description="if more files of one user than this come at once, and far more than "
        "expected, nothing is published until you [decide](held.md); `0` = "
        "never ask",
    )
    backfill: Annotated[Backfill, BeforeValidator(validators.backfill)] = Field(
        Backfill(BackfillKind.ALL),
        alias="GITPIP_BACKFILL",
        description="which existing gists of a new user are published: `all`, `none`, "
        "`latest:N` or `since:DATE`. A gist that was created before the user "
        "was added, by GitHub's clock, falls under this rule whenever it is "
        "found",
    )
    http_timeout: Annotated[timedelta, BeforeValidator(validators.parse_duration)] = Field(
        timedelta(seconds=20),
        alias="GITPIP_HTTP_TIMEOUT",
        description="maximum time for one outgoing request",
    )
    absent_after: Annotated[timedelta, BeforeValidator(validators.parse_duration)] = Field(
        default_factory=lambda earlier: validators.absence(
            earlier.get("http_timeout", timedelta(0))
        ),
        alias="GITPIP_ABSENT_AFTER",
        description="how long after the first look that did not find it a file whose answer was "
        "lost is sent again; never less than your network may hold up a request",
    )
    health_patience: Annotated[timedelta, BeforeValidator(validators.patience)] = Field(
        default_factory=lambda earlier: max(
            timedelta(minutes=3), 6 * earlier.get("http_timeout", timedelta(0))
        ),
        alias="GITPIP_HEALTH_PATIENCE",
        description="`/health` fails after this long without progress; a full disk, a lost "
        "database or a standstill counts, a pause that a vendor causes does not",
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        BeforeValidator(validators.log_level),
    ] = Field("INFO", alias="GITPIP_LOG_LEVEL", description="minimum log level")
    log_format: Annotated[Literal["console", "json"], BeforeValidator(validators.log_format)] = (
        Field(
            default_factory=lambda: "console" if sys.stderr and sys.stderr.isatty() else "json",
            alias="GITPIP_LOG_FORMAT",
            description="`console` for people, `json` for machines",
        )
    )
    publishing: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """The publishing settings that were given, as texts by their names; see `config/publishing`."""
    sources: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """The source of each setting that was given, by name."""
    secret_files: Mapping[str, Path] = Field(default_factory=dict, repr=False)
    """The file of each secret that comes from a file, now or later, by name."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only what `load_settings` found: pydantic does not tell a value's source."""
        return (init_settings,)

    @property
    def database_url(self) -> str:
        """The database for `open_database`: `sqlite+aiosqlite:///...` or `postgresql://...`.

        Can hold a password: show `masked_database_url` instead.
        """
        address = self._sqlite_address
        if address:
            return address.render_as_string(hide_password=False)
        return postgres_dsn_of(self._postgres_keywords)

    @property
    def sqlite_file(self) -> Path | None:
        """The file of the database, or None for PostgreSQL."""
        address = self._sqlite_address
        return Path(address.database) if address and address.database else None

    @property
    def postgres_dsn(self) -> str | None:
        """The address of the database for libpq, with its password, or None for SQLite."""
        return None if self._sqlite_address else postgres_dsn_of(self._postgres_keywords)

    @property
    def masked_database_url(self) -> str:
        """The database for people."""
        if self._sqlite_address:
            return self._sqlite_address.render_as_string(hide_password=True)
        hidden = {
            name: "SECRET" if name in SECRET_KEYWORDS else value
            for name, value in self._postgres_keywords.items()
        }
        shown = postgres_dsn_of(hidden).replace(":SECRET@", f":{REDACTED}@", 1)
        for name in SECRET_KEYWORDS & hidden.keys():
            shown = shown.replace(f"{name}=SECRET", f"{name}={REDACTED}", 1)
        return shown

    @property
    def capacity_without_token(self) -> int:
        """The number of users that can be checked in an interval without a token of GitHub."""
        limits = HourlyLimits(REQUESTS_WITHOUT_TOKEN, share=self.github_share)
        return capacity(limits, self.check_interval)

    @property
    def serves_only_this_machine(self) -> bool:
        """Whether no setting says that programs of other machines can reach the service."""
        public = self.public_url
        return validators.is_loopback(self.host) and (
            public is None or validators.is_loopback(public.host)
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts never shown or logged: tokens, passwords and addresses with a password."""
        given = [self.pipedrive_token, self.github_token, self.admin_key]
        texts = [secret.get_secret_value() for secret in given if secret]
        if not self._sqlite_address:
            keywords = self._postgres_keywords
            texts += [keywords[name] for name in sorted(SECRET_KEYWORDS & keywords.keys())]
        return tuple(texts)

    @property
    def lacks_database(self) -> bool:
        """Whether no database is named, and there is no home folder for the default one."""
        return self._database_text is None and self.data_dir is None

    def has_database_of(self, other: "Settings") -> bool:
        """Return whether both lead to the same database. The user and the password may differ."""
        return self._place == other._place

    @property
    def _place(self) -> object:
        return self._sqlite_address or place_of(self._postgres_keywords)

    # Not cached: a copy with another address would keep what was found in the first one.
    @property
    def _database_text(self) -> str | None:
        chosen = self.postgres_connection_string or self.chosen_database
        return chosen.get_secret_value() if chosen else None

    @property
    def _sqlite_address(self) -> URL | None:
        text = self._database_text
        if text is None:
            file = (self.data_dir or Path()) / "gitpip.db"
            return URL.create("sqlite+aiosqlite", database=str(file))
        return sqlite_url(text) if SQLITE.match(text) else None

    @property
    def _postgres_keywords(self) -> dict[str, str]:
        return parse_postgres(self._database_text or "")


def _graphql_url(api_url: str) -> str:
    """Return the address of GraphQL.

    An Enterprise Server has `https://HOST/api/v3` and `https://HOST/api/graphql`.
    """
    return f"{api_url.removesuffix('/v3') if api_url.endswith('/api/v3') else api_url}/graphql"


class Declared(NamedTuple):
    """The place of a setting in Settings, and its meaning."""

    attribute: str
    meaning: str
    """The meaning in Markdown, as in the table of `docs/settings.md`."""


def fields() -> dict[str, Declared]:
    """Return every setting by its name."""
    return {
        field.alias: Declared(attribute, field.description or "")
        for attribute, field in Settings.model_fields.items()
        if field.alias
    }


def secret_names() -> set[str]:
    """Return the names of the settings that are never shown."""
    return {
        field.alias
        for field in Settings.model_fields.values()
        if field.alias and SecretStr in get_args(field.annotation)
    }
