"""Settings for people: secrets are masked, and each has its source."""

import re
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from gitpip.config.publishing.policy import registry
from gitpip.config.settings import Settings, fields
from gitpip.config.validators import format_duration
from gitpip.digests import REDACTED

NOT_SET = "(not set)"
SEE_STORED = "gitpip publishing settings"
"""The command that shows the value of a publishing setting that is not given."""


@dataclass(frozen=True)
class SettingRow:
    """One setting for people: a secret in `value` is masked."""

    name: str
    value: str
    source: str
    """`environment`, `.env`, `file PATH`, `default` or `derived from NAME`."""
    meaning: str
    """The meaning, without the marks of Markdown."""


def describe(settings: Settings) -> list[SettingRow]:
    """Return every setting in the order of its declaration, for people: secrets are masked."""
    derived = {
        "PIPEDRIVE_API_URL": "PIPEDRIVE_ORG" if settings.pipedrive_org else None,
        "GITHUB_GRAPHQL_URL": "GITHUB_API_URL",
        "GITPIP_DATABASE_URL": "GITPIP_DATA_DIR",
    }
    rows = []
    for name, (attribute, meaning) in fields().items():
        origin = derived.get(name)
        source = settings.sources.get(name) or (f"derived from {origin}" if origin else "default")
        value = _shown(getattr(settings, attribute))
        if name == "POSTGRES_CONNECTION_STRING" and settings.postgres_connection_string:
            value = settings.masked_database_url
        if name == "GITPIP_DATABASE_URL":
            value = settings.masked_database_url
            if settings.postgres_connection_string:
                source = "derived from POSTGRES_CONNECTION_STRING"
        rows.append(SettingRow(name, value, source, _plain(meaning)))
    return rows + _publishing(settings)


def _publishing(settings: Settings) -> list[SettingRow]:
    """Return the publishing settings of the environment. The database has those that are stored."""
    return [
        SettingRow(
            one.variable,
            settings.publishing.get(one.name, NOT_SET),
            settings.sources.get(one.variable, SEE_STORED),
            one.declaration.description,
        )
        for one in registry().values()
    ]


def _plain(markdown: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", markdown)


def _shown(value: object) -> str:
    match value:
        case None:
            return NOT_SET
        case SecretStr():
            return REDACTED
        case timedelta():
            return format_duration(value)
        case tuple():
            return ", ".join(map(str, value))
        case bool():
            return "on" if value else "off"
        case _:
            return str(value)
