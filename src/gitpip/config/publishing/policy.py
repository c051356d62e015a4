"""The publishing settings with their values and sources.

To add a setting, give the dataclass of its group a field; to add a group, a dataclass of its own
that `PublishingPolicy` extends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache

from gitpip.config.publishing.activity import ActivitySettings
from gitpip.config.publishing.deal import DealSettings
from gitpip.config.publishing.declaration import METADATA_KEY, Declaration, Group
from gitpip.config.publishing.drift import DriftSettings
from gitpip.config.publishing.guards import GuardSettings
from gitpip.config.publishing.mode import ModeSettings
from gitpip.config.publishing.templates import TemplateSettings
from gitpip.modes import PublishingMode


@dataclass(frozen=True)
class PublishingPolicy(
    ActivitySettings,
    DealSettings,
    DriftSettings,
    TemplateSettings,
    ModeSettings,
    GuardSettings,
):
    """The value of every publishing setting."""


class Source(StrEnum):
    """The source of the value of a setting."""

    ENVIRONMENT = "environment"
    STORED = "stored"
    DEFAULT = "default"


@dataclass(frozen=True)
class PublishingSetting:
    """One setting, as it is declared."""

    name: str
    declaration: Declaration

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"GITPIP_{self.name.upper()}"


@dataclass(frozen=True)
class Effective:
    """One setting with its value."""

    setting: PublishingSetting
    text: str
    source: Source
    fault: str | None = None
    """The reason why the stored value does not count: an older gitpip may have stored it."""

    @property
    def value(self) -> object:
        """The value that the text stands for."""
        return self.setting.declaration.parse(self.text)


@cache
def registry() -> Mapping[str, PublishingSetting]:
    """Return every setting by its name, group by group."""
    found = [
        PublishingSetting(each.name, declaration)
        for each in fields(PublishingPolicy)
        if isinstance(declaration := each.metadata.get(METADATA_KEY), Declaration)
    ]
    groups = list(Group)
    return {one.name: one for one in sorted(found, key=lambda one: groups.index(_group(one)))}


def _group(one: PublishingSetting) -> Group:
    return one.declaration.group


def effective(given: Mapping[str, str], stored: Mapping[str, str]) -> tuple[Effective, ...]:
    """Return every setting with its value.

    `given` are the texts that the environment sets, checked at the start, and `stored` those of the
    database, both by the names of their settings.
    """
    return tuple(_effective(one, given.get(one.name), stored) for one in registry().values())


def _effective(one: PublishingSetting, given: str | None, stored: Mapping[str, str]) -> Effective:
    if given is not None:
        return Effective(one, one.declaration.canonical(given), Source.ENVIRONMENT)
    text = stored.get(one.name)
    if text is None:
        return Effective(one, one.declaration.default, Source.DEFAULT)
    try:
        return Effective(one, one.declaration.canonical(text), Source.STORED)
    except ValueError as error:
        return Effective(one, one.declaration.default, Source.DEFAULT, fault=str(error))


def publishing_mode(given: Mapping[str, str], stored: Mapping[str, str]) -> PublishingMode:
    """Return only the mode of everybody; see `effective`."""
    one = registry()["publishing_mode"]
    return PublishingMode(_effective(one, given.get(one.name), stored).text)


def policy_of(settings: tuple[Effective, ...]) -> PublishingPolicy:
    """Return these values as one object."""
    make: Callable[..., PublishingPolicy] = PublishingPolicy
    return make(**{each.setting.name: each.value for each in settings})
