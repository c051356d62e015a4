"""Bodies of publishing settings."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from gitpip.actions.publishing_settings import ShownSetting
from gitpip.config.publishing.declaration import Group
from gitpip.config.publishing.policy import Source


class PublishingSettingBody(BaseModel):
    """One publishing setting. Times are UTC."""

    name: str
    group: Group
    value: str
    """The value that counts, as a text."""
    source: Source
    """The source of the value: the environment wins over what is stored, and that over the
    default."""
    default: str
    allowed: list[str] | None
    """Every value that it may have, where these are few."""
    description: str
    variable: str
    """The environment variable that sets it."""
    set_at: datetime | None
    """The time at which it was stored, where the stored value counts."""
    set_by: str | None
    fault: str | None
    """The reason why the stored value does not count, where it can't be read any more."""

    @classmethod
    def of(cls, shown: ShownSetting) -> Self:
        """The body of a setting."""
        now, declared = shown.now, shown.now.setting.declaration
        return cls(
            name=now.setting.name,
            group=declared.group,
            value=now.text,
            source=now.source,
            default=declared.default,
            allowed=list(declared.allowed) or None,
            description=declared.description,
            variable=now.setting.variable,
            set_at=shown.set_at,
            set_by=shown.set_by,
            fault=now.fault,
        )


class SettingsChanged(BaseModel):
    """Every publishing setting after a change."""

    settings: list[PublishingSettingBody]
    unchecked: str | None
    """The reason why the change could not be compared with the Pipedrive account, if so; it counts
    anyway."""
