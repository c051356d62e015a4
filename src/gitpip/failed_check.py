"""The changes of a user's row after a failed check."""

from dataclasses import dataclass
from datetime import datetime

from gitpip.model import FailureKind, UserKey, UserState


@dataclass(frozen=True)
class FailedCheck:
    """The changes after a failed check. Times are UTC."""

    failure: str
    kind: FailureKind
    failures: int
    """The failures in a row, this one included. GitHub showed the user in all of them, or
    in none."""
    state: UserState
    next_check_at: datetime
    same_account_as: UserKey | None = None
    """The tracked user who already has the account."""
