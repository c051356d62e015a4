"""What is not published without a person, whatever the mode is: credentials, and floods."""

from dataclasses import dataclass

from gitpip.config.publishing.declaration import Group, Kind, one_of, setting, whole_number
from gitpip.modes import CredentialsGuard

_words = one_of(*CredentialsGuard)


@dataclass(frozen=True)
class GuardSettings:
    """What becomes of files that look like they hold credentials, and of a day with too many."""

    credentials: CredentialsGuard = setting(
        CredentialsGuard.HOLD,
        Kind(lambda text: CredentialsGuard(_words.parse(text)), allowed=_words.allowed),
        group=Group.GUARDS,
        description="what becomes of files that look like they hold passwords, tokens or keys: hold"
        " (until somebody approves each), mask (sent without them), or publish (as they are)",
    )
    flood_per_day: int = setting(
        1_000,
        whole_number(0, 10**9, example=1000),
        group=Group.GUARDS,
        description="how many new files of all users are published within a day without a"
        " question; 0 never asks",
    )
