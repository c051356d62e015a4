"""The hosts that may receive a secret: only those named by the owner of the secret.

A `.env` file is read from the current folder, which can belong to anybody: a downloaded project, a
shared disk. A host that it names receives a secret only if the file also gives that secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitpip.config.database_passwords import LOGIN, password_sources
from gitpip.config.dsn import SQLITE, parse_postgres

HOSTS = {
    "GITHUB_TOKEN": ("GITHUB_API_URL", "GITHUB_GRAPHQL_URL"),
    "PIPEDRIVE_TOKEN": ("PIPEDRIVE_API_URL", "PIPEDRIVE_ORG"),
}
"""The settings that decide to which hosts a token is sent."""
DATABASES = ("POSTGRES_CONNECTION_STRING", "GITPIP_DATABASE_URL")
"""The settings of the database; the first that is set counts. If it holds no password, one is
searched for: see `password_sources`."""


@dataclass(frozen=True)
class SourcedValue:
    """A setting's value and its source."""

    value: str
    source: str
    """The source for people: `environment`, `.env`, or the path of a file."""
    layer: str
    """The layer that gave the value or named its file: `environment` or the path of `.env`."""
    file: Path | None = None
    """The file that holds a secret, if one does."""


def misdirected_secrets(
    found: Mapping[str, SourcedValue],
    later: Mapping[str, SourcedValue],
    environ: Mapping[str, str],
    env_file: Path,
) -> list[str]:
    """Return a sentence for each host of `env_file` that would receive a secret from elsewhere.

    `later` holds the secrets whose files may appear while the service runs.
    """
    faults = []
    for token, hosts in HOSTS.items():
        secret = found.get(token) or later.get(token)
        if secret is None or _belongs_to(env_file, secret):
            continue
        faults += [
            _fault(host, env_file, f"{token} ({secret.source})", token)
            for host in hosts
            if host in found and found[host].layer == str(env_file)
        ]
    name = next((name for name in DATABASES if name in found), None)
    if name:
        faults += _misdirected_passwords(name, found[name], environ, env_file)
    return faults


def _belongs_to(env_file: Path, secret: SourcedValue) -> bool:
    """Return whether the file gives the secret: itself, or in a file next to or below it."""
    if secret.layer != str(env_file):
        return False
    return secret.file is None or _lies_beside(env_file, secret.file)


def _lies_beside(env_file: Path, file: Path) -> bool:
    """Return whether `file` is in the folder of `env_file`, or below.

    A file further away can be a person's own secret, whose path is easy to guess. If `env_file` is
    a link, its own folder counts: another person can make a link lead into the folder of a secret.
    """
    return file.resolve().is_relative_to(env_file.parent.resolve())


def _misdirected_passwords(
    name: str, database: SourcedValue, environ: Mapping[str, str], env_file: Path
) -> list[str]:
    """Return a sentence for each password from elsewhere that would go to a database.

    The databases are those of `env_file`.
    """
    if database.layer != str(env_file) or SQLITE.match(database.value):
        return []
    try:
        keywords = parse_postgres(database.value)
    except ValueError:
        return []  # reported already, and not used
    if keywords.keys() <= LOGIN:
        return []  # the environment names the server, or it is the one of this machine
    return [
        _fault(name, env_file, source.name, "the password")
        for source in password_sources(keywords, environ)
        if source.file is None or not _lies_beside(env_file, source.file)
    ]


def _fault(host: str, env_file: Path, secret: str, name: str) -> str:
    return (
        f"{host} ({env_file}): names where {secret} is sent, but a host from {env_file} only gets"
        f" secrets from there, as any folder can hold such a file; put {name} into {env_file}, or"
        f" set {host} in the environment, or remove it from {env_file}"
    )
