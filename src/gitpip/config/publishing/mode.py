"""The setting of the publishing mode: how far publishing goes without a person."""

from dataclasses import dataclass

from gitpip.config.publishing.declaration import Group, ValueKind, one_of, setting
from gitpip.modes import PublishingMode

_words = one_of(
    {
        PublishingMode.AUTOMATIC: "Send automatically",
        PublishingMode.ASK: "Require approval",
        PublishingMode.DRY_RUN: "Dry run: send nothing",
    }
)


@dataclass(frozen=True)
class ModeSettings:
    """The mode of every user without a mode of their own."""

    publishing_mode: PublishingMode = setting(
        PublishingMode.AUTOMATIC,
        ValueKind(lambda text: PublishingMode(_words.parse(text)), allowed=_words.allowed),
        group=Group.MODE,
        label="How new files are sent",
        description="with automatic, new files are sent at once; with ask, they are held until"
        " someone approves them; with dry-run, nothing is sent, and pages show what"
        " would be sent",
    )
