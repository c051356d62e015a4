"""Settings: where they come from, what they mean, and what a wrong one says."""

import contextlib
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import make_url

from gitpip.backfill import Backfill
from gitpip.config import (
    NOT_SET,
    Settings,
    describe,
    fields,
    load_settings,
)
from gitpip.config.publishing.policy import registry
from gitpip.errors import SettingsError
from gitpip.model import Anonymous
from tests.config.loading import faults, load


def rows(settings: Settings) -> dict[str, tuple[str, str]]:
    return {row.name: (row.value, row.source) for row in describe(settings)}


def test_defaults() -> None:
    settings = load()
    assert settings.pipedrive_token is None
    assert settings.pipedrive_api_url == "https://api.pipedrive.com/api"
    assert settings.github_api_url == "https://api.github.com"
    assert settings.github_graphql_url == "https://api.github.com/graphql"
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.check_interval == timedelta(hours=3)
    assert settings.http_timeout == timedelta(seconds=20)
    assert settings.database_wait == timedelta(seconds=60)
    assert settings.database_connections == 10
    assert settings.backfill == Backfill.parse("all")
    assert settings.log_level == "INFO"
    assert settings.postgres_dsn is None
    assert make_url(settings.database_url).database == f"{settings.data_dir}/gitpip.db"


@pytest.mark.parametrize("home", [None, "relative/folder"])
def test_without_a_home_folder_a_database_has_to_be_named(
    monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    """As in a container whose user has no entry in /etc/passwd."""
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    if home:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 3)
    [fault] = faults()
    assert fault.startswith("GITPIP_DATA_DIR: must be set")
    postgres = load(POSTGRES_CONNECTION_STRING="postgresql://ann@db.example/gitpip")
    assert postgres.postgres_dsn == "postgresql://ann@db.example/gitpip"
    assert [row.value for row in describe(postgres) if row.name == "GITPIP_DATA_DIR"] == [NOT_SET]
    assert load(GITPIP_DATA_DIR="/srv").database_url.endswith("/srv/gitpip.db")


def test_settings_can_not_be_changed() -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.__setattr__("port", 1)


def test_an_empty_value_counts_as_not_set() -> None:
    assert load(GITPIP_PORT="", PIPEDRIVE_TOKEN=" ", GITPIP_TYPO="").port == 8080


@pytest.mark.parametrize(
    ("api", "graphql"),
    [
        ("https://api.github.com/", "https://api.github.com/graphql"),
        ("https://git.example.com/api/v3", "https://git.example.com/api/graphql"),
        ("https://git.example.com/api/v3/", "https://git.example.com/api/graphql"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/graphql"),
        ("http://[::1]:9000", "http://[::1]:9000/graphql"),
        ("http://localhost:9000", "http://localhost:9000/graphql"),
    ],
)
def test_the_graphql_address_follows_the_api(api: str, graphql: str) -> None:
    assert load(GITHUB_API_URL=api).github_graphql_url == graphql


def test_the_pipedrive_address_follows_the_company() -> None:
    settings = load(PIPEDRIVE_ORG="Acme-1")
    assert settings.pipedrive_api_url == "https://acme-1.pipedrive.com/api"
    assert rows(settings)["PIPEDRIVE_API_URL"][1] == "derived from PIPEDRIVE_ORG"
    given = load(PIPEDRIVE_ORG="acme", PIPEDRIVE_API_URL="https://proxy.example.com/api/")
    assert given.pipedrive_api_url == "https://proxy.example.com/api"


def test_the_environment_wins_over_the_file_and_each_source_is_told(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("abc123\n")
    env_file = tmp_path / ".env"
    env_file.write_text(
        f"GITPIP_PORT=1\nGITPIP_HOST=0.0.0.0\nGITHUB_TOKEN_FILE={secret}\nPIPEDRIVE_TOKEN=low\n"
        "OTHER=ignored\n"
    )
    settings = load_settings(
        {"GITPIP_PORT": "2", "PIPEDRIVE_TOKEN_FILE": str(secret)}, env_file=env_file
    )
    assert settings.port == 2
    assert settings.github_token
    assert settings.github_token.get_secret_value() == "abc123"
    assert settings.pipedrive_token == settings.github_token
    told = rows(settings)
    assert told["GITPIP_PORT"] == ("2", "environment")
    assert told["GITPIP_HOST"] == ("0.0.0.0", str(env_file))  # noqa: S104
    assert told["GITHUB_TOKEN"] == ("[secret]", f"file {secret}")
    assert told["GITPIP_CHECK_INTERVAL"] == ("3h", "default")
    assert told["PIPEDRIVE_ORG"] == (NOT_SET, "default")


@pytest.mark.parametrize(
    "name", ["PIPEDRIVE_TOKEN", "GITHUB_TOKEN", "POSTGRES_CONNECTION_STRING", "GITPIP_DATABASE_URL"]
)
def test_every_secret_can_stand_in_a_file(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://u:hunter22@h/d\n")
    told = rows(load(**{f"{name}_FILE": str(secret)}))
    assert told[name][1] == f"file {secret}"
    assert "hunter22" not in str(told)


def test_the_document_has_a_row_for_every_setting_with_its_meaning() -> None:
    document = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \|[^|]*\| ([^|]+) \|$", document, re.MULTILINE)
    assert dict(rows) == {name: declared.meaning for name, declared in fields().items()}


def test_every_setting_has_a_meaning_without_marks() -> None:
    told = {row.name: row.meaning for row in describe(load())}
    assert all(told.values())
    assert told["GITPIP_HOLD_ABOVE"].endswith("until you decide; 0 = never ask")
    assert not any(mark in meaning for meaning in told.values() for mark in ("`", "]("))


BAD = [
    ("GITPIP_PORT", "http", "1 to 65535"),
    ("GITPIP_PORT", "65536", "1 to 65535"),
    ("GITPIP_PORT", "-1", "1 to 65535"),
    ("GITPIP_PORT", "٣", "1 to 65535"),
    ("GITPIP_HOST", "http://x", "127.0.0.1"),
    ("GITPIP_HOLD_ABOVE", "-1", "0 = never ask"),
    ("GITPIP_HOLD_ABOVE", "many", "0 = never ask"),
    ("GITPIP_CHECK_INTERVAL", "0", "must be longer than zero"),
    ("GITPIP_CHECK_INTERVAL", "-PT1H", "must be longer than zero"),
    ("GITPIP_CHECK_INTERVAL", "soon", "3 h"),
    ("GITPIP_CHECK_INTERVAL", "nan", "3 h"),
    ("GITPIP_CHECK_INTERVAL", "400d", "366 days"),
    ("GITPIP_CHECK_INTERVAL", "999999999999", "366 days"),
    ("GITPIP_CHECK_INTERVAL", "P9999999Y", "3 h"),
    ("GITPIP_HTTP_TIMEOUT", "fast", "45 s"),
    ("GITPIP_HEALTH_PATIENCE", "2s", "5s"),
    ("GITPIP_DATABASE_WAIT", "0s", "45 s"),
    ("GITPIP_DATABASE_CONNECTIONS", "2", "from 3 to 9999"),
    ("GITPIP_DATABASE_CONNECTIONS", "many", "from 3 to 9999"),
    ("GITPIP_BACKFILL", "some", "latest:N"),
    ("GITPIP_ACTIVITY_DONE", "maybe", "must be yes or no"),
    ("GITPIP_ACTIVITY_DUE_DATE", "tomorrow", "must be gist, today or none"),
    ("GITPIP_ACTIVITY_TYPE", "x" * 256, "1 to 255 printable characters"),
    ("GITPIP_DEAL_VALUE", "-1", "a number from 0"),
    ("GITPIP_DEAL_VALUE", "inf", "a number from 0"),
    ("GITPIP_DEAL_CURRENCY", "euro", "three letters"),
    ("GITPIP_DEAL_VISIBLE_TO", "2", "must be 1, 3, 5, 7 or none"),
    ("GITPIP_DEAL_LABELS", ",,", "up to 20 labels"),
    ("GITPIP_DEAL_CUSTOM_FIELDS", "Source", "NAME=VALUE on a line"),
    ("GITPIP_DEAL_CUSTOM_FIELDS", '{"Source": null}', "a text, a number or a list"),
    ("GITPIP_DEAL_CUSTOM_FIELDS", "{", "a JSON object"),
    ("GITPIP_DEAL_CUSTOM_FIELDS", '{"a": 1, "A": 2}', "each field once"),
    ("GITPIP_BACKFILL", "latest:-3", "latest:N"),
    ("GITPIP_BACKFILL", "since:yesterday", "2026-01-31"),
    ("GITPIP_BACKFILL", "since:9998-01-01", "in the past"),
    ("GITPIP_LOG_LEVEL", "LOUD", "DEBUG, INFO"),
    ("GITPIP_LOG_FORMAT", "xml", "console or json"),
    ("GITPIP_DATA_DIR", "/dev/null", "folder"),
    ("PIPEDRIVE_ORG", "https://evil/", "before .pipedrive.com"),
    ("PIPEDRIVE_ORG", "evil.example.com#", "before .pipedrive.com"),
    ("PIPEDRIVE_API_URL", "api.pipedrive.com", "https://"),
    ("PIPEDRIVE_API_URL", "http://api.pipedrive.com/api", "the token in clear text"),
    ("GITHUB_API_URL", "http://localhost.evil.com", "the token in clear text"),
    ("GITHUB_API_URL", "https://", "with a host"),
    ("GITHUB_API_URL", "https://host:port/", "https://api.example.com"),
    ("GITHUB_API_URL", "https://a b/", "https://api.example.com"),
    ("GITHUB_API_URL", "https://user:hunter22@host/", "without user"),
    ("GITHUB_GRAPHQL_URL", "ftp://host/", "https://"),
    ("GITHUB_TOKEN", "hunter22 hunter22", "without spaces"),
    ("GITHUB_TOKEN", "hunter22\nhunter22", "without spaces"),
    ("PIPEDRIVE_TOKEN", "hunter22é", "ASCII"),
    ("PIPEDRIVE_TOKEN", '"hunter22"', "without quotes"),
    ("PIPEDRIVE_TOKEN", "hunter22'", "without quotes"),
    ("GITHUB_TOKEN", "'hunter22'", "without quotes"),
    ("GITHUB_TOKEN", '" hunter22"', "without quotes"),
    ("GITPIP_DATABASE_URL", "mysql://root:hunter22@host/db", "postgresql://"),
    ("GITPIP_DATABASE_URL", "sqlite://", "lost when gitpip stops"),
    ("GITPIP_DATABASE_URL", "sqlite:///:memory:", "lost when gitpip stops"),
    ("GITPIP_DATABASE_URL", "/var/lib/hunter22.db", "sqlite:///PATH"),
    ("POSTGRES_CONNECTION_STRING", "sqlite:///x", "postgresql://"),
    ("POSTGRES_CONNECTION_STRING", "postgres://u:hunter22@h:port/d", "port"),
    ("POSTGRES_CONNECTION_STRING", "postgres://u:hunter22/x@h/d", "percent-encoded"),
    ("POSTGRES_CONNECTION_STRING", "host=h sslmod=require password=hunter22", "mean sslmode"),
    ("POSTGRES_CONNECTION_STRING", "host=h sslmode=hunter22", "verify-full"),
    ("POSTGRES_CONNECTION_STRING", "host=h target_session_attrs=hunter22", "read-write"),
    ("POSTGRES_CONNECTION_STRING", "host=h ssl_min_protocol_version=hunter22", "TLSv1.2"),
    ("POSTGRES_CONNECTION_STRING", "host=h password='hunter22", "host=HOST"),
    (
        "POSTGRES_CONNECTION_STRING",
        "host=a,b port=1,2,3 password=hunter22",
        "one port, or one for each host",
    ),
]


WRONG = {name: value for name, value, _ in BAD} | {
    "GITHUB_GRAPHQL_URL": "ftp://host/",
    "GITPIP_ABSENT_AFTER": "never",
    "GITPIP_ACTIVITY_OWNER": "x" * 256,
    "GITPIP_ACTIVITY_PER": "user",
    "GITPIP_ACTIVITY_PRIORITY": "x" * 256,
    "GITPIP_ADMIN_KEY": "short",
    "GITPIP_ALLOW_ANONYMOUS": "yes",
    "GITPIP_CREDENTIALS": "show",
    "GITPIP_DEAL_OWNER": "x" * 256,
    "GITPIP_DEAL_PIPELINE": "x" * 256,
    "GITPIP_DEAL_STAGE": "x" * 256,
    "GITPIP_DEAL_TITLE_TEMPLATE": "{{ nothing }}",
    "GITPIP_FEED": "yes",
    "GITPIP_FLOOD_PER_DAY": "many",
    "GITPIP_GITHUB_SHARE": "2",
    "GITPIP_NOTE_TEMPLATE": "{{ nothing }}",
    "GITPIP_ON_DEAL_ARCHIVED": "follow",
    "GITPIP_ON_DEAL_DELETED": "keep",
    "GITPIP_ON_DEAL_LOST": "follow",
    "GITPIP_ON_DEAL_MERGED": "keep",
    "GITPIP_ON_DEAL_WON": "follow",
    "GITPIP_ON_DELETE": "delete",
    "GITPIP_ON_EDIT": "rewrite",
    "GITPIP_PUBLIC_URL": "gitpip.example.com",
    "GITPIP_PUBLISHING_MODE": "manual",
    "GITPIP_PUBLISH_DELETED": "yes",
    "GITPIP_REQUEST_LIMIT": "many",
    "GITPIP_SECRETS_DIR": "/dev/null",
    "GITPIP_SUBJECT_TEMPLATE": "{{ nothing }}",
    "GITPIP_TRUSTED_PROXIES": "proxy.example",
}
"""A wrong value of every setting."""
OF_A_COMMAND = {"GITPIP_ADMIN_KEY"}
"""Its example is a command, as nobody should use a key that a document shows."""
OF_THE_MACHINE = {"GITPIP_SECRETS_DIR"}
"""Its example is a folder that this machine may not have."""


def accepted(name: str, example: str) -> bool:
    with contextlib.suppress(SettingsError):
        return bool(load(**{name: example}))
    return False


def examples_in(message: str) -> list[list[str]]:
    """The values that a message shows, each with its possible readings."""
    if found := re.search(r", e\.g\. (.+?)(?: or | \(|; |$)", message):
        return [[found[1], found[1].partition(",")[0]]]
    if "; use " in message:  # templates: the names of variables
        return [["{{ user.login }}"]]
    choices = re.fullmatch(r"must be (\S+(?:, \S+)*) or (\S+)", message)
    return [[choice] for choice in (*choices[1].split(", "), choices[2])] if choices else []


def test_every_setting_has_a_wrong_value_here() -> None:
    assert WRONG.keys() == fields().keys() | {one.variable for one in registry().values()}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_an_error_says_what_a_setting_must_be_and_shows_what_is_accepted(name: str) -> None:
    (fault,) = faults(**{name: WRONG[name]})
    assert fault.startswith(f"{name}=")
    message = fault.partition(" (environment): ")[2]
    shown = examples_in(message)
    assert shown, message
    if name not in OF_A_COMMAND | OF_THE_MACHINE:
        assert all(any(accepted(name, one) for one in readings) for readings in shown), message


@pytest.mark.parametrize(("name", "value", "right"), BAD)
def test_a_wrong_value_is_one_line_with_its_name_and_what_is_right(
    name: str, value: str, right: str
) -> None:
    (fault,) = faults(**{name: value})
    assert fault.startswith(f"{name}=")
    assert right in fault
    assert fault.isprintable()
    assert "hunter22" not in fault


def test_all_faults_are_told_at_once() -> None:
    told = faults(GITPIP_PORT="x", GITPIP_PROT="1", GITHUB_API_URL="x", GITPIP_LOG_LEVEL="x")
    assert {line.partition("=")[0].partition(":")[0] for line in told} == {
        "GITPIP_PORT",
        "GITPIP_PROT",
        "GITHUB_API_URL",
        "GITPIP_LOG_LEVEL",
    }


def test_a_secret_both_given_and_in_a_file_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults(GITHUB_TOKEN="hunter22", GITHUB_TOKEN_FILE=str(tmp_path / "token"))
    assert "GITHUB_TOKEN and GITHUB_TOKEN_FILE are both set" in fault
    assert "hunter22" not in fault


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_an_unusable_secret_file_is_a_fault(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    (fault,) = faults(GITHUB_TOKEN_FILE=str(file))
    assert fault.startswith(f"GITHUB_TOKEN_FILE={file}: ")
    assert "must be a text file with only the secret" in fault


def test_a_folder_is_no_secret_file(tmp_path: Path) -> None:
    (fault,) = faults(GITHUB_TOKEN_FILE=str(tmp_path))
    assert "can't be read" in fault


def test_backfill_since_a_day() -> None:
    assert load(GITPIP_BACKFILL="since:2024-05-06").backfill.since == datetime(
        2024, 5, 6, tzinfo=UTC
    )


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
def test_sqlite_addresses(scheme: str) -> None:
    url = make_url(load(GITPIP_DATABASE_URL=f"{scheme}:////srv/x.db").database_url)
    assert (url.drivername, url.database) == ("sqlite+aiosqlite", "/srv/x.db")


def test_a_data_folder_of_any_name_makes_a_good_address(tmp_path: Path) -> None:
    folder = tmp_path / "a b?c#d%41ü"
    url = make_url(load(GITPIP_DATA_DIR=str(folder)).database_url)
    assert url.database == str(folder / "gitpip.db")


def test_the_connection_string_wins_over_the_database_url() -> None:
    settings = load(
        POSTGRES_CONNECTION_STRING="postgres://u:hunter22@h/d", GITPIP_DATABASE_URL="sqlite:///x.db"
    )
    assert settings.postgres_dsn == "postgresql://u:hunter22@h/d"
    assert settings.database_url == "postgresql://u:hunter22@h/d"
    assert rows(settings)["GITPIP_DATABASE_URL"] == (
        "postgresql://u:[secret]@h/d",
        "derived from POSTGRES_CONNECTION_STRING",
    )
    assert "hunter22" not in repr(settings)
    assert settings.secrets == ("hunter22",)


def test_who_may_ask_is_decided_by_settings() -> None:
    settings = load(
        GITPIP_ADMIN_KEY="k" * 32,
        GITPIP_ALLOW_ANONYMOUS="READ",
        GITPIP_TRUSTED_PROXIES="10.0.0.0/8, 192.168.0.1",
        GITPIP_REQUEST_LIMIT="50/second",
    )
    assert settings.allow_anonymous is Anonymous.READ
    assert settings.trusted_proxies == ("10.0.0.0/8", "192.168.0.1")
    assert rows(settings)["GITPIP_REQUEST_LIMIT"][0] == "50 per 1 second"
    assert "k" * 32 in settings.secrets
    assert rows(settings)["GITPIP_ADMIN_KEY"] == ("[secret]", "environment")
    assert rows(load(GITPIP_REQUEST_LIMIT="off"))["GITPIP_REQUEST_LIMIT"][0] == "off"
    assert load(GITPIP_REQUEST_LIMIT="3000 per 1 minute").request_limit == load().request_limit
    assert rows(load())["GITPIP_TRUSTED_PROXIES"][0] == "127.0.0.1, ::1"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("GITPIP_ADMIN_KEY", "k" * 31, "at least 32"),
        ("GITPIP_ADMIN_KEY", "k" * 32 + " k", "openssl rand"),
        ("GITPIP_ALLOW_ANONYMOUS", "yes", "must be read or all"),
        ("GITPIP_TRUSTED_PROXIES", "10.0.0.1/8", "not '10.0.0.1/8'; write 10.0.0.0/8"),
        ("GITPIP_TRUSTED_PROXIES", "proxy.example", "networks"),
        ("GITPIP_REQUEST_LIMIT", "many", "3000/minute"),
        ("GITPIP_REQUEST_LIMIT", "0/minute", "3000/minute"),
    ],
)
def test_wrong_values_of_these_settings_are_refused(name: str, value: str, words: str) -> None:
    (fault,) = faults(**{name: value})
    assert fault.startswith(f"{name}=")
    assert words in fault
    assert "k" * 31 not in fault


@pytest.mark.parametrize(
    ("given_address", "address", "prefix"),
    [
        ("https://gitpip.example.com", "https://gitpip.example.com", ""),
        ("https://Gitpip.Example.COM/", "https://gitpip.example.com", ""),
        ("https://gitpip.example.com:443", "https://gitpip.example.com", ""),
        ("http://intranet:80/tools/gitpip/", "http://intranet/tools/gitpip", "/tools/gitpip"),
        ("https://example.com:8443/Gists", "https://example.com:8443/Gists", "/Gists"),
        ("http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080", ""),
    ],
)
def test_a_public_address(given_address: str, address: str, prefix: str) -> None:
    public = load(GITPIP_PUBLIC_URL=given_address).public_url
    assert public is not None
    assert (str(public), public.prefix) == (address, prefix)
    assert rows(load(GITPIP_PUBLIC_URL=given_address))["GITPIP_PUBLIC_URL"][0] == address


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("gitpip.example.com", "must begin with https:// or http://"),
        ("ftp://gitpip.example.com", "must begin with https:// or http://"),
        ("https://", "must have a host"),
        ("https:///gitpip", "must have a host"),
        ("https://user:pass@example.com", "must have a host"),
        ("https://exa mple.com", "must have a host"),
        ("https://gitpip.exämple.com", "xn--"),
        ("https://example.com:port", "a port up to 65535"),
        ("https://example.com:70000", "a port up to 65535"),
        ("https://[::1", "must be an address"),
        ("https://example.com/?", "without ? and #"),
        ("https://example.com/#x", "without ? and #"),
        ("https://example.com/a//b", "between single slashes"),
        ("https://example.com/../a", "between single slashes"),
        ("https://example.com/%61", "between single slashes"),
        ("https://example.com/people", "begins with another name than people"),
        ("https://example.com/api/gitpip", "begins with another name than api"),
    ],
)
def test_a_wrong_public_address_says_what_is_accepted(address: str, reason: str) -> None:
    (fault,) = faults(GITPIP_PUBLIC_URL=address)
    assert fault.startswith("GITPIP_PUBLIC_URL=")
    assert "pass" not in fault
    assert reason in fault
    assert "e.g. https://gitpip.example.com" in fault


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z.]{1,9}(/[^/]{0,5}){0,3}"))
def test_any_public_address_is_refused_or_reads_back_as_itself(text: str) -> None:
    assume(text.strip() and "\0" not in text)
    with contextlib.suppress(SettingsError):
        public = load(GITPIP_PUBLIC_URL=text).public_url
        assert load(GITPIP_PUBLIC_URL=str(public)).public_url == public
