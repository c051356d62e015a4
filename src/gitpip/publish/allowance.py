"""How often the ledger is compared again because another installation may have published."""

from datetime import datetime, timedelta

FRESH = timedelta(seconds=10)
"""Nothing new is sent after an older comparison, as long as the allowance lasts."""
AT_ONCE = 10
"""How many comparisons are allowed in a row; each costs 10 tokens."""
SELDOM = timedelta(hours=1)
"""Then one more comes so often: at most 240 tokens a day beyond the first ones..."""
OFTEN = timedelta(minutes=1)
"""... or so often, where another installation was seen to publish: 10 tokens a minute."""
SEEN_FOR = timedelta(days=1)
"""How long after its last activity was seen another installation is taken to publish still."""


def is_seen(others_seen_at: datetime | None, now: datetime) -> bool:
    """Whether another installation was seen to publish within the last day."""
    return others_seen_at is not None and now - others_seen_at < SEEN_FOR


class Allowance:
    """The comparisons that may be made at present; unused ones are saved up."""

    def __init__(self) -> None:
        self._left = float(AT_ONCE)
        self._at: datetime | None = None

    def take(
        self, compared_at: datetime | None, others_seen_at: datetime | None, now: datetime
    ) -> bool:
        """Whether to compare now, given when that was last done; one is used up then."""
        age = now - compared_at if compared_at else None
        if age is not None and timedelta(0) <= age < FRESH:
            return False
        every = OFTEN if is_seen(others_seen_at, now) else SELDOM
        passed = max(now - self._at, timedelta(0)) if self._at else timedelta(0)
        self._at = now
        self._left = min(self._left + passed / every, AT_ONCE)
        if self._left < 1:
            return False
        self._left -= 1
        return True
