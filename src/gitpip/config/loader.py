"""Loading settings from the environment, a `.env` file and files, and reporting their faults.

The environment wins over `.env`, and both over the folder of secrets. An empty value counts as not
set.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from gitpip.config.env_file import read_env_file
from gitpip.config.publishing.policy import registry
from gitpip.config.settings import Settings, fields, secret_names
from gitpip.config.trusted_hosts import SourcedValue, misdirected_secrets
from gitpip.config.unknown_names import meant_by, one_line, unknown_names
from gitpip.config.validators import reason
from gitpip.digests import REDACTED
from gitpip.errors import SettingsError

SECRETS_DIR = "GITPIP_SECRETS_DIR"
ENVIRONMENT = "environment"


def load_settings(
    environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")
) -> Settings:
    """Read every setting from `environ` (the process's own if None) and `env_file`, if it exists.

    Raises SettingsError with one line for each fault: the setting, its value (masked if secret)
    and what to use.
    """
    layers: list[tuple[str, Mapping[str, str]]] = [
        (ENVIRONMENT, os.environ if environ is None else environ)
    ]
    faults: list[str] = []
    if env_file is not None:
        try:
            layers.append((str(env_file), read_env_file(env_file, faults)))
        except (OSError, UnicodeError) as error:
            faults.append(f"{env_file}: can't be read ({reason(error)})")
    layers = [(source, _without_service_links(layer)) for source, layer in layers]
    found = {name: setting for name in fields() if (setting := _find(name, layers, faults))}
    publishing = _find_publishing(layers, found, faults)
    files = {name: setting.file for name, setting in found.items() if setting.file}
    later: dict[str, SourcedValue] = {}
    if SECRETS_DIR in found:
        later = _in_folder(found[SECRETS_DIR], found, faults)
        files |= {name: secret.file for name, secret in later.items() if secret.file}
    if env_file is not None:
        faults += misdirected_secrets(found, later, layers[0][1], env_file)
    for source, layer in layers:
        faults += unknown_names(layer, source, found, is_ours=source != ENVIRONMENT)
    settings = None
    try:
        settings = Settings.model_validate(
            {name: setting.value for name, setting in found.items() if name in fields()}
            | {"publishing": publishing}
            | {"sources": {name: setting.source for name, setting in found.items()}}
            | {"secret_files": files}
        )
    except ValidationError as error:
        faults += _faults(error, found)
    if settings and settings.lacks_database:
        faults.append(
            "GITPIP_DATA_DIR: must be set when neither HOME nor a database is, "
            "e.g. GITPIP_DATA_DIR=/var/lib/gitpip"
        )
    if settings is None or faults:
        raise SettingsError(faults)
    return settings


def read_secret(name: str, file: Path) -> SecretStr:
    """Return what a secret's file says now. ValueError says what is wrong with it."""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"must be a text file with only the secret, but can't be read ({reason(error)})"
        ) from None
    if not text:
        raise ValueError("must be a text file with only the secret, but is empty")
    kind = Settings.model_fields[fields()[name].attribute].rebuild_annotation()
    try:
        secret: SecretStr = TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        raise ValueError(_problem(error.errors()[0])) from None
    return secret


def _without_service_links(layer: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that Kubernetes sets for a service called gitpip.

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
) -> SourcedValue | None:
    """Return a setting's value from the first layer that has it, and add to `faults`."""
    for source, layer in layers:
        value = layer.get(name, "").strip()
        file = layer.get(f"{name}_FILE", "").strip() if name in secret_names() else ""
        if value and file:
            faults.append(f"{name} and {name}_FILE are both set ({source}): use one of them")
            return None
        if value:
            return SourcedValue(value, source, source)
        if file:
            return _find_in_file(name, file, source, faults)
    return None


def _find_in_file(name: str, file: str, layer: str, faults: list[str]) -> SourcedValue | None:
    try:
        value = read_secret(name, Path(file))
    except ValueError as error:
        faults.append(f"{name}_FILE={one_line(file)}: {error}")
        return None
    return SourcedValue(value.get_secret_value(), f"file {file}", layer, Path(file))


def _find_publishing(
    layers: Iterable[tuple[str, Mapping[str, str]]],
    found: dict[str, SourcedValue],
    faults: list[str],
) -> dict[str, str]:
    """Return the publishing settings that are given, by name, and add them to `found`."""
    texts = {}
    for one in registry().values():
        setting = _find(one.variable, layers, faults)
        if setting is None:
            continue
        found[one.variable] = setting
        try:
            texts[one.name] = one.declaration.canonical(setting.value)
        except ValueError as error:
            value = one_line(setting.value)
            faults.append(f"{one.variable}={value} ({setting.source}): {error}")
    return texts


def _in_folder(
    setting: SourcedValue, found: dict[str, SourcedValue], faults: list[str]
) -> dict[str, SourcedValue]:
    """Add the secrets in the folder to `found`; return those that are there or may be later."""
    folder = Path(setting.value)
    files = {
        name: folder / name.lower().replace("_", "-")
        for name in secret_names()
        if name not in found
    }
    secrets = {
        name: SourcedValue("", f"file {file}", setting.layer, file) for name, file in files.items()
    }
    try:
        present = {path.name for path in folder.iterdir()}
    except OSError:
        return {}  # the setting itself says that it is not a folder
    for name, file in files.items():
        if file.name not in present:
            continue
        try:
            value = read_secret(name, file)
        except ValueError as error:
            faults.append(f"{SECRETS_DIR}, {file.name}: {error}")
        else:
            found[name] = replace(secrets[name], value=value.get_secret_value())
    # A copy of a secret, as editors leave them (github-token~), is not a misspelling next to it.
    missing = [name for name, file in files.items() if file.name not in present]
    faults += [
        f"{SECRETS_DIR}, {one_line(other)}: not the name of a secret; use {files[meant].name}"
        for other in sorted(present - {file.name for file in files.values()})
        if (name := re.sub("[-.]", "_", other).upper().removesuffix("_TXT"))
        and (meant := name if name in files else meant_by(name, missing))
    ]
    return secrets


def _faults(error: ValidationError, found: Mapping[str, SourcedValue]) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        name = str(fault["loc"][0])
        if name not in found:
            continue  # a default that depends on a wrong value, which is reported already
        shown = one_line(_without_password(found[name].value))
        value = REDACTED if name in secret_names() else shown
        lines.append(f"{name}={value} ({found[name].source}): {_problem(fault)}")
    return lines


def _problem(fault: ErrorDetails) -> object:
    return fault.get("ctx", {}).get("error", fault["msg"])


def _without_password(text: str) -> str:
    return re.sub(r"//.*@", f"//{REDACTED}@", text)
