"""The settings for what is never published without a person: credentials, and floods."""

from dataclasses import dataclass

from gitpip.config.publishing.declaration import Group, ValueKind, one_of, setting, whole_number
from gitpip.modes import CredentialsGuard

_words = one_of(
    {
        CredentialsGuard.HOLD: "Hold until someone approves each file",
        CredentialsGuard.MASK: "Send without the credentials",
        CredentialsGuard.PUBLISH: "Send as they are",
    }
)


@dataclass(frozen=True)
class GuardSettings:
    """The treatment of files that may hold credentials, and of a day with too many files."""

    credentials: CredentialsGuard = setting(
        CredentialsGuard.HOLD,
        ValueKind(lambda text: CredentialsGuard(_words.parse(text)), allowed=_words.allowed),
        group=Group.GUARDS,
        label="Files with credentials",
        description="for files that seem to contain passwords, tokens or keys: hold (until someone"
        " approves each file), mask (send them without the credentials), or publish (send as is)",
    )
    flood_per_day: int = setting(
        1_000,
        whole_number(0, 10**9, example=1000),
        group=Group.GUARDS,
        label="Files a day without asking",
        description="how many new files of all people can be sent in one day before gitpip holds"
        " the rest for your decision; 0 for no limit",
    )
