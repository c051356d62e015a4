"""What a failed look makes of a user's row."""

from dataclasses import dataclass
from datetime import datetime

from gitpip.model import FailureKind, UserKey, UserState


@dataclass(frozen=True)
class Setback:
    """Times are UTC."""

    failure: str
    kind: FailureKind
    failures: int
    """How many there were in a row, this one included: GitHub showed the user in all, or none."""
    state: UserState
    next_check_at: datetime
    same_account_as: UserKey | None = None
    """The tracked user who has the account already."""
