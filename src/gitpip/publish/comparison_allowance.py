"""The allowance for comparing the ledger again because another installation may have published."""

from datetime import datetime, timedelta

COMPARISON_MAX_AGE = timedelta(seconds=10)
"""The age above which a comparison is renewed before something new is sent, while the allowance
lasts."""
COMPARISONS_IN_A_ROW = 10
"""The comparisons allowed in a row; each costs 10 tokens."""
REFILL_INTERVAL = timedelta(hours=1)
"""The time in which one more comparison is allowed: at most 240 tokens a day beyond the
first ones."""
SHORT_REFILL_INTERVAL = timedelta(minutes=1)
"""The same time after another installation was seen to publish: 10 tokens a minute."""
SEEN_FOR = timedelta(days=1)
"""The time after its last activity for which another installation is assumed to publish."""


def is_seen(others_seen_at: datetime | None, now: datetime) -> bool:
    """Return whether another installation was seen to publish within the last day."""
    return others_seen_at is not None and now - others_seen_at < SEEN_FOR


class ComparisonAllowance:
    """The comparisons that may be made at present. Unused ones are saved up."""

    def __init__(self) -> None:
        self._left = float(COMPARISONS_IN_A_ROW)
        self._at: datetime | None = None

    def take(
        self, compared_at: datetime | None, others_seen_at: datetime | None, now: datetime
    ) -> bool:
        """Return whether to compare now, given when that was last done, and use one up if so."""
        age = now - compared_at if compared_at else None
        if age is not None and timedelta(0) <= age < COMPARISON_MAX_AGE:
            return False
        every = SHORT_REFILL_INTERVAL if is_seen(others_seen_at, now) else REFILL_INTERVAL
        passed = max(now - self._at, timedelta(0)) if self._at else timedelta(0)
        self._at = now
        self._left = min(self._left + passed / every, COMPARISONS_IN_A_ROW)
        if self._left < 1:
            return False
        self._left -= 1
        return True
