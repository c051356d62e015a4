"""The number of users in one query: as many as GitHub answers, learned from its refusals."""

from datetime import datetime, timedelta

from gitpip.backoff import backoff

FIRST_BATCH = 50
"""The users in one query that are safe in practice. GitHub takes up to a hundred ids."""
LARGEST_BATCH = 100
FIRST_PATIENCE = timedelta(hours=1)
LONGEST_PATIENCE = timedelta(days=7)


class BatchSize:
    """Halved when a query is too large, then one more after each full one, below the refused size.

    The size that was refused last is a ceiling: it is tried again after an hour, and after twice as
    long each time it is refused again, up to a week. Times are aware UTC.
    """

    def __init__(self) -> None:
        self.users = FIRST_BATCH
        self._ceiling: int | None = None
        self._refusals = 0
        self._ceiling_until: datetime | None = None

    def too_large(self, size: int, now: datetime) -> None:
        """Note that a query about that many users failed, and smaller ones about them did not."""
        refused_again = self._ceiling is not None and size >= self._ceiling
        self._refusals = self._refusals + 1 if refused_again else 1
        self._ceiling = size
        self._ceiling_until = now + backoff(self._refusals, FIRST_PATIENCE, LONGEST_PATIENCE)
        # A ceiling that failed again leaves the size below it, which is known to work.
        self.users = max(size - 1 if refused_again else size // 2, 1)

    def went_well(self, size: int, now: datetime) -> None:
        """Note that a query about that many users was answered about each of them."""
        if size < self.users:
            return
        if self._ceiling is not None and size >= self._ceiling:
            self._ceiling = self._ceiling_until = None
        blocked = (
            self._ceiling is not None
            and self._ceiling_until is not None
            and size + 1 >= self._ceiling
            and now < self._ceiling_until
        )
        if not blocked:
            self.users = min(size + 1, LARGEST_BATCH)
